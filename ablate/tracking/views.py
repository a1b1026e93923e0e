"""Views that MLflow's page of runs offers under "Views": which runs, in which order, with which columns and charts.

MLflow keeps a view as a tag of the experiment, JSON of a name, a time and the page's state (its savedViewEnvelope.ts,
3.17). An earlier MLflow without such a menu opens them by their address alone.
"""

import json
from typing import Any

from ablate.tracking.telling import KIND, Subject

PREFIX = "mlflow.sharedViewState."
NAME = "attributes.`Run Name`"  # a column
ERRORS, CHARTS, SEEDS = "ablate-errors", "ablate-charts", "ablate-seeds"


def address(experiment: str, view: str) -> str:
    """Where a view is opened, from any page of MLflow's."""
    charts = "&compareRunsMode=CHART" if view == CHARTS else ""
    # Without the kind of work a new browser shows the pages for language models.
    return f"#/experiments/{experiment}/runs?viewStateShareKey={view}{charts}&workflowType=machine_learning"


def views(subject: Subject) -> dict[str, str]:
    """The experiment's tags that hold the views, in the order in which they are offered."""
    found = {
        ERRORS: ("Configurations by error", _table(subject, "configuration")),
        CHARTS: ("Seeds in charts: error, compute, epochs, steps", _table(subject, "seed") | _charts(subject)),
        SEEDS: ("Seeds by error", _table(subject, "seed")),
    }
    last = len(found)  # the menu shows the newest first
    return {
        f"{PREFIX}{view}": json.dumps({"name": name, "createdAt": last - place, "state": json.dumps(state)})
        for place, (view, (name, state)) in enumerate(found.items())
    }


def _table(subject: Subject, kind: str) -> dict[str, Any]:
    """The runs of one kind, the smallest error first."""
    metrics = [subject.error, subject.compute, "latency_ms", "params_m"]
    if kind == "configuration":
        metrics.insert(2, f"{subject.error}_std")
    tags = [path.removeprefix("model.") for path in subject.swept] + (["seed"] if kind == "seed" else [])
    columns = [f"metrics.`{name}`" for name in dict.fromkeys(metrics)] + [f"tags.`{name}`" for name in tags]
    return {
        "searchFilter": f"tags.`{KIND}` = '{kind}'",
        "orderByKey": f"metrics.`{subject.error}`",
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": columns,
        "columnOrder": [NAME, *columns],
        "columnWidths": {NAME: 250} | dict.fromkeys(columns, 110),
        "runsPinned": [],
        "runsHidden": [],
        "runsExpanded": {},
        "runsHiddenMode": "SHOW_ALL",  # a chart of the first twenty would leave out the cheap end of a front
        "viewMaximized": False,
        "runListHidden": False,
        "isAccordionReordered": False,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "groupBy": None,
        "groupsExpanded": {},
        "autoRefreshEnabled": True,
    }


def _charts(subject: Subject) -> dict[str, Any]:
    """Error against compute, and the curves, in MLflow's own kinds of chart."""
    plane = {
        "xaxis": {"key": subject.compute, "type": "METRIC"},
        "yaxis": {"key": subject.error, "type": "METRIC"},
    }
    cards = [
        _card("front", "SCATTER", "front", **plane),
        _card("errors", "BAR", "front", metricKey=subject.error),
    ]
    curves = {
        "denoising": [f"denoising_step/{subject.error}"],
        "epochs": ["epoch/validation_mpjpe_mm", "epoch/train_loss_mm"],
    }
    for section, names in curves.items():
        cards += [_line(name, section) for name in names]
    titles = {"front": "Error and compute", "denoising": "Over denoising steps", "epochs": "Over epochs of training"}
    sections = [
        {"uuid": name, "name": title, "display": True, "isReordered": True, "deleted": False, "isGenerated": False}
        for name, title in titles.items()
    ]
    return {"compareRunCharts": cards, "compareRunSections": sections, "isAccordionReordered": True}


def _card(name: str, kind: str, section: str, **settings: Any) -> dict[str, Any]:
    return {
        "uuid": f"ablate-{name}",
        "type": kind,
        "runsCountToCompare": 100,
        "metricSectionId": section,
        "deleted": False,
        "isGenerated": False,
        **settings,
    }


def _line(metric: str, section: str) -> dict[str, Any]:
    return _card(
        metric.replace("/", "-"),
        "LINE",
        section,
        metricKey=metric,
        selectedMetricKeys=[metric],
        xAxisKey="step",
        selectedXAxisMetricKey="",
        selectedYAxisMetricKey=metric,
        yAxisKey="metric",
        yAxisExpressions=[],
        lineSmoothness=0,
        scaleType="linear",
        xAxisScaleType="linear",
        range={},
        ignoreOutliers=False,
        useGlobalXaxisKey=False,
        useGlobalLineSmoothing=True,
    )


def links(experiment: str) -> str:
    """The views as links of a description."""
    names = {ERRORS: "configurations by error", CHARTS: "seeds in charts", SEEDS: "seeds by error"}
    found = " · ".join(f"[{name}]({address(experiment, view)})" for view, name in names.items())
    return f"Views of its runs, under *Views* there too: {found}"
