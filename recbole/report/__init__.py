"""The paper's tables and figures from a table of results, as a page, as Markdown and as CSV."""
