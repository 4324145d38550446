"""The command line: arguments in, one function of `quick_start` called, an exit code out."""
