"""The paper's figures as SVG, one picture for each model, so that a phone shows them one by one."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from recbole.errors import ConfigError
from recbole.report.reproduction import ORIGINAL, SMOOTH, ratio_name
from recbole.report.results import Results, measure, test_metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Okabe and Ito's blue and vermilion, which colour-blind readers tell apart; marks differ too.
_COLOURS = {ORIGINAL: "#0072B2", SMOOTH: "#D55E00"}
_MARKS = {ORIGINAL: "o", SMOOTH: "s"}
_LINES = {ORIGINAL: "-", SMOOTH: "--"}
_SIZE = (4.2, 3.1)  # inches


@dataclass(frozen=True)
class Picture:
    """One drawing.

    Attributes:
        title: what it shows.
        svg: the drawing; None where there is nothing to draw.
        description: the figures in words, for who cannot see it, or why there is none.
        runs: the ids of the runs behind it.
    """

    title: str
    svg: str | None
    description: str
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReportFigure:
    """A figure of the report: a picture for each model, and what there is to know."""

    name: str
    title: str
    pictures: Sequence[Picture]
    note: str

    @property
    def files(self) -> list[str]:
        """The name of a file for each picture, such as figure-2-1.svg."""
        return [f"{self.name}-{number}.svg" for number in range(1, len(self.pictures) + 1)]


def all_figures(results: Results) -> list[ReportFigure]:
    """Figures 2, 3 and 4.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    models = results.reproduction.detailed
    return [
        ReportFigure(
            "figure-2",
            "Figure 2: norms of the embeddings",
            [_norms(results, model) for model in models],
            "L2 norms of the user and item embeddings: of their gradients, the mean over training"
            " steps, and of their weights after it. Bars: means over seeds; whiskers: standard"
            " deviation.",
        ),
        ReportFigure(
            "figure-3",
            "Figure 3: noise on the input embeddings",
            [p for model in models for p in _noise(results, model)],
            "Test part under Gaussian noise on the input embeddings, means over draws and seeds.",
        ),
        ReportFigure(
            "figure-4",
            "Figure 4: AUC against the ratio λ",
            [_ratios(results, model) for model in models],
            "Test AUC, mean ± standard deviation over seeds; the line to beat is the binary model.",
        ),
    ]


def _norms(results: Results, model: str) -> Picture:
    title = f"{model}: norms"
    names = ("gradient_user", "gradient_item", "weight_user", "weight_item")
    found = {
        variant: [measure(row, "norms") for row in results.of(model, variant).values()]
        for variant in (ORIGINAL, SMOOTH)
    }
    known = {variant: [norms for norms in some if norms] for variant, some in found.items()}
    if not all(known.values()):
        return _nothing(title)
    figure, (left, right) = _canvas(columns=2)
    words = []
    for axes, kind in ((left, "gradient"), (right, "weight")):
        for number, variant in enumerate((ORIGINAL, SMOOTH)):
            values = [
                [float(norms[name]) for norms in known[variant]]
                for name in names
                if name.startswith(kind)
            ]
            axes.bar(
                [place + 0.4 * number for place in range(len(values))],
                [fmean(some) for some in values],
                0.36,
                yerr=[_deviation(some) for some in values],
                color=_COLOURS[variant],
                hatch="//" if variant == SMOOTH else None,
                edgecolor="white",
                label=variant,
            )
            words.append(
                f"{variant}, {kind}s of users and items:"
                f" {', '.join(f'{fmean(some):.3g}' for some in values)}"
            )
        axes.set_xticks([0.2, 1.2], ["users", "items"])
        axes.set_title(f"{kind}s", fontsize=9)
    shown, names_of_shown = left.get_legend_handles_labels()
    figure.legend(
        shown, names_of_shown, loc="outside upper center", ncols=2, fontsize=8, frameon=False
    )
    return Picture(title, _svg(figure), "; ".join(words), _runs(results, model, ORIGINAL, SMOOTH))


def _noise(results: Results, model: str) -> list[Picture]:
    pictures = []
    for metric, label in (("auc", "AUC"), ("logloss", "LogLoss")):
        title = f"{model}: {label} under noise"
        curves = {v: _curve(results, model, v, metric) for v in (ORIGINAL, SMOOTH)}
        if not all(curves.values()):
            pictures.append(_nothing(title))
            continue
        figure, (axes,) = _canvas()
        words = []
        for variant, curve in curves.items():
            _draw(axes, variant, curve)
            listed = ", ".join(f"{fmean(v):.4f} at σ = {x:g}" for x, v in curve.items())
            words.append(f"{variant}: {listed}")
        axes.set_xlabel("standard deviation σ of the noise")
        axes.set_ylabel(label)
        axes.legend(fontsize=8, frameon=False)
        runs = _runs(results, model, ORIGINAL, SMOOTH)
        pictures.append(Picture(title, _svg(figure), "; ".join(words), runs))
    return pictures


def _curve(results: Results, model: str, variant: str, metric: str) -> dict[float, list[float]]:
    """The metric at each standard deviation, a value for each seed."""
    curve: dict[float, list[float]] = {}
    for row in results.of(model, variant).values():
        for point in measure(row, "robustness").get("curve", []):
            curve.setdefault(point["sigma"], []).append(point[metric])
    return curve


def _ratios(results: Results, model: str) -> Picture:
    title = f"{model}: AUC against λ"
    read = test_metric("auc", scale=1.0)
    variants = {ratio: ratio_name(ratio) for ratio in results.reproduction.ratios}
    curve = {
        ratio: list(results.sample(model, variant, read).values.values())
        for ratio, variant in variants.items()
    }
    curve = {ratio: values for ratio, values in sorted(curve.items()) if values}
    line = results.sample(model, ORIGINAL, read)
    if not curve or line.mean is None:
        return _nothing(title)
    figure, (axes,) = _canvas()
    axes.axhline(line.mean, color=_COLOURS[ORIGINAL], linestyle=_LINES[ORIGINAL], label=ORIGINAL)
    if line.deviation is not None:
        low, high = line.mean - line.deviation, line.mean + line.deviation
        axes.axhspan(low, high, color=_COLOURS[ORIGINAL], alpha=0.15, linewidth=0)
    _draw(axes, SMOOTH, curve)
    axes.set_xlabel("ratio λ")
    axes.set_ylabel("AUC")
    axes.legend(fontsize=8, frameon=False)
    points = ", ".join(f"{fmean(values):.4f} at λ = {ratio:g}" for ratio, values in curve.items())
    missing = [ratio for ratio in variants if ratio not in curve]
    words = f"original: {line.mean:.4f}; smooth: {points}"
    if missing:
        words += f"; not run: λ = {', '.join(f'{ratio:g}' for ratio in missing)}"
    runs = _runs(results, model, ORIGINAL, *variants.values())
    return Picture(title, _svg(figure), words, runs)


def _draw(axes: Axes, variant: str, curve: Mapping[float, Sequence[float]]) -> None:
    axes.errorbar(
        list(curve),
        [fmean(values) for values in curve.values()],
        yerr=[_deviation(values) for values in curve.values()],
        color=_COLOURS[variant],
        marker=_MARKS[variant],
        linestyle=_LINES[variant],
        capsize=2,
        markersize=4,
        label=variant,
    )


def _canvas(columns: int = 1) -> tuple[Any, list[Axes]]:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError(
            "The report's figures need matplotlib, which is not installed: pip install"
            ' "recbole-graded[report]"'
        ) from None
    figure = Figure(figsize=_SIZE, layout="constrained")
    drawn = [figure.add_subplot(1, columns, number + 1) for number in range(columns)]
    for axes in drawn:
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, drawn


def _svg(figure: Any) -> str:
    """The drawing as text, which is the same for the same numbers."""
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": "recbole", "svg.fonttype": "none"}):
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def _nothing(title: str) -> Picture:
    return Picture(title, None, "not run")


def _deviation(values: Sequence[float]) -> float:
    return stdev(values) if len(values) > 1 else 0.0


def _runs(results: Results, model: str, *variants: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for v in variants for key in results.keys(model, v)))
