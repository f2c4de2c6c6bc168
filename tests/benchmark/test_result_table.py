"""Tables of results made by hand: the papers' columns, derived figures, marks only where methods are told apart."""

from made_results import made_results

from unlearning_pl.benchmark.method_comparison import compare_methods, describe_pairs
from unlearning_pl.benchmark.plan_figures import PlanFigures, plan_figures
from unlearning_pl.benchmark.result_table import ResultTable, render_latex, render_markdown, result_tables
from unlearning_pl.benchmark.results import Result

FAR = [0.20, 0.22, 0.21]
DISTANCES = {"far": FAR, "near": [0.02, 0.03, 0.03], "middle": [0.10, 0.12, 0.11], "also": [0.20, 0.21, 0.225]}


def figures(**options: object) -> PlanFigures:
    (one,) = plan_figures(made_results(DISTANCES, **options))  # type: ignore[arg-type]
    return one


def marks(table: ResultTable, column: int) -> dict[str, str | None]:
    return {name: cells[column].mark for name, cells in table.rows if cells[column].mark}


def test_columns_have_the_order_of_the_papers() -> None:
    (muc,), (coun,) = (result_tables(figures(), order) for order in ("muc", "coun"))
    assert muc.headings == ["EMIA %", "RA %", "TA %", "UA %", "CMIA %", "Gap", "Time, s"]
    assert coun.headings == ["RA %", "UA %", "TA %", "MIA %", "Gap", "Cost, image passes"]
    names = ["near", "middle", "far", "also", "retrained", "original"]
    assert [name for name, _ in muc.rows] == [name for name, _ in coun.rows] == names


def test_coun_counts_errors_and_its_own_gap_and_what_is_missing_is_a_dash() -> None:
    (table,) = result_tables(figures(), "coun")
    near = dict(table.rows)["near"]
    # MIA is 42, 43, 43 and 40 of the retrained model, the others agree: gaps 2/4, 3/4, 3/4
    assert [cell.text for cell in near] == ["90.0 ± 0.0", "15.0 ± 0.0", "80.0 ± 0.0", "42.7 ± 0.6", "0.67 ± 0.14", "-"]
    assert dict(table.rows)["retrained"][4].text == "0.00 ± 0.00"
    rows = [Result("p", 0, "m", "method", "retain_accuracy", 90.0, passes=640)]
    (table,) = result_tables(plan_figures(rows)[0], "coun")
    assert [cell.text for cell in table.rows[0][1]] == ["90.0", "-", "-", "-", "-", "640"]
    (table,) = result_tables(plan_figures([rows[0]._replace(passes=0)])[0], "coun")
    assert table.rows[0][1][5].text == "-"  # it reads images before its first step, which are not counted


def test_a_gap_of_several_retrained_models_is_to_their_mean_and_their_own_to_the_others() -> None:
    metrics = ("retain_accuracy", "test_accuracy", "forget_accuracy", "classifier_mi")
    values = {"retrained": 80.0, "retrained_2": 90.0, "retrained_3": 70.0, "m": 84.0}
    rows = [
        Result("p", 0, name, "method" if name == "m" else "retrained", key, value)
        for name, value in values.items()
        for key in metrics
    ]
    gaps = {name: one[0]["coun_gap"] for name, one in plan_figures(rows)[0].metrics.items()}
    assert gaps == {"m": 4.0, "retrained": 0.0, "retrained_2": 15.0, "retrained_3": 15.0}


def test_pairs_of_images_and_captions_have_columns_of_their_own() -> None:
    rows = [Result("p", 0, "m", "method", key, 9.0) for key in ("retain_recall", "pair_mi", "retain_accuracy")]
    (table,) = result_tables(plan_figures(rows)[0], "muc")
    assert table.headings == ["PMIA %", "RR %", "TR %", "UR %", "Gap", "Time, s"]


def test_best_and_second_are_marked_only_if_told_apart_from_the_next() -> None:
    main = result_tables(figures(), "all")[0]
    assert main.headings[:2] == ["Distance", "Floor"]
    assert marks(main, 0) == {"near": "best", "middle": "second"}
    assert marks(main, 1) == marks(main, 2) == {}  # no distance, and no difference
    (equal,) = plan_figures(made_results({"a": FAR, "b": [0.19, 0.23, 0.21], "c": [0.5, 0.5, 0.5]}))
    assert marks(result_tables(equal, "all")[0], 0) == {}
    (two,) = plan_figures(made_results({"a": FAR, "b": [0.5, 0.52, 0.52]}))
    assert marks(result_tables(two, "all")[0], 0) == {"a": "best"}


def test_a_line_says_which_pairs_are_told_apart() -> None:
    note = describe_pairs(compare_methods(figures(), "retraining_distance"))
    assert note == (
        "Told apart in distance to retraining (Tukey's HSD over 3 seeds, 5 %): near is nearer than middle and the 2 "
        "compared methods after it; middle is nearer than far and also."
    )
    (noise,) = plan_figures(made_results({"a": [0.1, 0.3, 0.2], "b": [0.3, 0.1, 0.2]}))
    assert describe_pairs(compare_methods(noise, "retraining_distance")).startswith("No two methods are told apart")
    (single,) = plan_figures(made_results({"a": [0.1], "b": [0.9]}))
    assert describe_pairs(compare_methods(single, "retraining_distance")).startswith("One seed has no spread")
    for lonely in ({"a": [0.1, 0.2]}, {"a": [0.1], "b": [0.3, 0.4]}):
        (few,) = plan_figures(made_results(lonely))
        assert describe_pairs(compare_methods(few, "retraining_distance")).startswith("Fewer than two methods can be")


def test_broken_methods_and_those_without_a_seed_are_not_compared_but_named() -> None:
    distances = {**DISTANCES, "near": DISTANCES["near"], "partial": [0.01, 0.01]}
    (one,) = plan_figures(made_results(distances, broken=["near"]))
    table = result_tables(one, "all")[0]
    assert marks(table, 0) == {"middle": "best"}  # far and also are not told apart
    assert "Not compared: partial, near. Broken in a seed or more: near." in table.note
    names = ["partial (2 of 3 seeds)", "middle", "far", "also", "near", "retrained", "original"]
    assert [name for name, _ in table.rows] == names


def test_models_whose_options_differ_between_seeds_are_named() -> None:
    rows = made_results(DISTANCES)
    changed = [
        row._replace(command=f"{row.command} --optimizer.lr 1") if (row.model, row.seed) == ("far", 2) else row
        for row in rows
    ]
    resumed = [  # the same run by other words, which differ in every seed
        row._replace(command=f"{row.command} --original runs/{row.seed}" + " --ckpt_path last" * (row.seed == 2))
        for row in rows
    ]
    same, mixed, again = (result_tables(plan_figures(one)[0], "muc")[0] for one in (rows, changed, resumed))
    assert "options" not in again.note
    assert "options" not in same.note
    assert mixed.note.endswith(" Run with different options in different seeds: far.")


def test_a_metric_that_a_seed_lacks_has_the_number_of_seeds_of_its_mean() -> None:
    rows = [row for row in made_results(DISTANCES) if (row.model, row.seed, row.metric) != ("far", 1, "encoder_mi")]
    rows = [row._replace(passes=640) if row.seed else row for row in rows]  # seed 0 is of an earlier version
    (muc,), (coun,) = (result_tables(plan_figures(rows)[0], order) for order in ("muc", "coun"))
    assert dict(muc.rows)["far"][0].text == "50.0 ± 0.0 (2 of 3)"
    assert dict(muc.rows)["near"][0].text == "50.0 ± 0.0"
    assert dict(coun.rows)["near"][5].text == "640 ± 0 (2 of 3)"


def test_markdown_and_latex_have_the_marks_and_escape_names() -> None:
    table = result_tables(figures(plan="a_b"), "all")[0]._replace(note="5 % & $x$")
    table = table._replace(rows=[("[n_1|2>*", table.rows[0][1]), *table.rows[1:]])
    assert "| \\[n_1\\|2>\\* | **0.027 ± 0.006** | 0.020 ± 0.000 |" in render_markdown(table)
    assert "| middle | *0.110 ± 0.010* |" in render_markdown(table)
    assert len({line.count(" | ") for line in render_markdown(table).splitlines() if "---" not in line}) == 1
    latex = render_latex(table)
    assert r"{[}n\_1\textbar{}2\textgreater{}{*} & \textbf{0.027 $\pm$ 0.006}" in latex
    assert r"middle & \underline{0.110 $\pm$ 0.010}" in latex
    assert r"\caption{a\_b. 5 \% \& \$x\$}" in latex
    assert r"Model & Distance & Floor & RA \%" in latex
    rules = [line for line in latex.splitlines() if line.endswith("rule")]
    assert rules == [r"\toprule", r"\midrule", r"\bottomrule"]
    assert len({line.count(" & ") for line in latex.splitlines() if line.endswith(r"\\")}) == 1
