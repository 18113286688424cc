"""The commands: study, fit, augment, diagnose, report, explain, techniques, predict."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from goodfit.cli import options as o
from goodfit.cli.termination import ended_like_ctrl_c
from goodfit.errors import InputError, MissingExtra, TrainingError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False,
    help="Finds the regularization with which your network generalizes on your data, and shows the evidence.",
    epilog="Start with: `goodfit study digits`",
)  # fmt: skip


def main() -> None:
    """Run the command line. Errors of the user are one line and exit code 2."""
    try:
        with ended_like_ctrl_c():
            app()
    except (InputError, MissingExtra) as error:
        _stop(str(error), 2)
    except TrainingError as error:
        _stop(str(error), 1)
    except BrokenPipeError:  # the program that reads the output (head, less) has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except OSError as error:  # a full disk, a file without permission
        _stop(str(error), 1)


def _stop(message: str, code: int) -> None:
    typer.echo(f"goodfit: {' '.join(message.split())}", err=True)
    raise SystemExit(code)


def _version(shown: bool) -> None:
    if shown:
        from goodfit import __version__

        typer.echo(f"goodfit {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Read options that come before a command."""


@app.command(epilog="Example: `goodfit study credit-g.csv --target class --out out/credit-g`")
@o.with_options(o.LOADING, o.TRAINING, o.PROTOCOL)
def study(
    data: o.DataPath,
    target: o.Target = None,
    model: o.Model = None,
    recipe: Annotated[
        list[str] | None,
        typer.Option(
            help="A recipe to compare (text or YAML file); repeat for several. Without "
            "--budget or --space, nothing else is tried."
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            help="The most time (30s, 5m, 2h) or trials (200trials) of the search; it ends earlier "
            "when nothing more can be gained. Default: 5m, or no search with --recipe."
        ),
    ] = None,
    space: Annotated[
        Path | None,
        typer.Option(
            help="YAML file with the ranges to search, such as `dropout: [0.1, 0.8]`. Default: "
            "every technique that applies to the data."
        ),
    ] = None,
    sampler: Annotated[str, typer.Option(help="How recipes are proposed: tpe, gp, quasi_random or random.")] = "tpe",
    catalogue: Annotated[
        bool,
        typer.Option(
            "--catalogue",
            help="Instead of a search, compare every technique that can act on the network, at its defaults.",
        ),
    ] = False,
    population: Annotated[
        bool | None,
        typer.Option(
            help="Train fits of the same network structure together, as stacked tensors. Default: where it is faster."
        ),
    ] = None,
    groups: o.Groups = None,
    time: o.Time = None,
    task: o.Task = None,
    kind: o.Kind = None,
    cache: o.Cache = None,
    out: Annotated[Path | None, typer.Option(help="Folder for results. Default: goodfit-NAME.")] = None,
    storage: o.Storage = None,
    force: o.Force = False,
    threads: o.Threads = 0,
    modules: o.Import = None,
    options: Any = None,
    training: Any = None,
    protocol: Any = None,
) -> None:
    """Find the regularization that helps on your data, how much it helps, and how sure that is.

    Searches recipes, strengths and training settings on some folds, compares the best of them with the plain network on
    other folds, and says which one is sure or likely to predict better, if any. Writes a report, the recommended recipe
    and its weights. Every fit is kept as soon as it is finished: the same command continues a study that was
    interrupted, a larger budget extends one, and several processes can share its folder. Without training options,
    epochs and batch size follow from the number of rows and the kind of data.
    """
    from goodfit.cli import work

    source = work.DataSource(data, target, groups, time, task, o.load_options(kind, options), cache)
    comparison, output = (
        work.Comparison(recipe or [], protocol, catalogue, population, storage, budget, space, sampler),
        work.Output(out, force, _command()),
    )
    raise typer.Exit(work.run_study(source, model, comparison, training, output, threads))


@app.command(epilog='Example: `goodfit fit digits --recipe "l2=1e-4, dropout=0.25, early_stopping=5"`')
@o.with_options(o.LOADING, o.TRAINING)
def fit(
    data: o.DataPath,
    target: o.Target = None,
    recipe: o.RecipeText = "",
    model: o.Model = None,
    seed: o.Seed = 0,
    groups: o.Groups = None,
    time: o.Time = None,
    task: o.Task = None,
    kind: o.Kind = None,
    cache: o.Cache = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the run, its checkpoints and its report.")] = None,
    every: Annotated[int, typer.Option(min=0, help="Also keep the weights of every n-th epoch; 0: of none.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Resume the run in --out.")] = False,
    force: o.Force = False,
    threads: o.Threads = 0,
    modules: o.Import = None,
    options: Any = None,
    training: Any = None,
) -> None:
    """Train one network with a recipe and say whether it overfits.

    Without training options, epochs and batch size follow from the number of rows and the kind of data.
    """
    from goodfit.cli import work

    source = work.DataSource(data, target, groups, time, task, o.load_options(kind, options), cache)
    output = work.Output(out, force, _command(), every, resume)
    raise typer.Exit(work.run_fit(source, model, recipe, seed, training, output, threads))


@app.command(epilog='Example: `goodfit augment photos --recipe "rotation=15, zoom=0.2, brightness=0.3" --show 12`')
@o.with_options(o.LOADING)
def augment(
    data: o.DataPath,
    recipe: o.RecipeText,
    target: o.Target = None,
    show: Annotated[int, typer.Option(min=1, help="Number of variants of each sample.")] = 12,
    samples: Annotated[int, typer.Option(min=1, help="Number of samples, from different classes.")] = 1,
    seed: o.Seed = 0,
    task: o.Task = None,
    kind: o.Kind = None,
    cache: o.Cache = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the page. Default: goodfit-augment-NAME.")] = None,
    force: o.Force = False,
    modules: o.Import = None,
    options: Any = None,
) -> None:
    """Show how augmentation changes your data: variants of samples, as an HTML page and as an image."""
    from goodfit.cli import work

    source = work.DataSource(data, target, None, None, task, o.load_options(kind, options), cache)
    work.show_variants(source, recipe, show, samples, seed, out, force)


@app.command(epilog="Example: `goodfit diagnose goodfit-digits`")
def diagnose(folder: o.RunFolder, modules: o.Import = None) -> None:
    """Say whether a finished run underfits, fits well or overfits, with evidence and the next steps."""
    from goodfit.cli import work

    work.show_diagnosis(folder)


@app.command(epilog="Example: `goodfit report goodfit-digits --metric log_loss`")
def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that study wrote, or is writing.")],
    metric: Annotated[
        str | None, typer.Option(help="Metric of the ranking, such as roc_auc or log_loss. Default: that of the study.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="HTML file. Default: report.html in DIR, with --metric report-METRIC.html.")
    ] = None,
    modules: o.Import = None,
) -> None:
    """Compute the results of a study from its stored predictions, without training: also while it is running.

    Prints the ranking and writes the report; without --metric, also the tables and the best recipe. Augmented samples
    are not shown, because they need the data.
    """
    from goodfit.cli import report

    report.show_report(folder, metric, out)


@app.command(epilog='Example: `goodfit explain --recipe "l2=1e-4, dropout=0.25" --inputs 64 --outputs 10`')
def explain(
    folder: Annotated[Path | None, typer.Argument(metavar="[DIR]", help="Folder that fit or study wrote.")] = None,
    recipe: Annotated[str | None, typer.Option(help="Techniques, as text or as a YAML file.")] = None,
    model: o.Model = None,
    inputs: Annotated[
        int | None, typer.Option(min=1, help="Number of inputs of the reference network. Default: 20.")
    ] = None,
    outputs: Annotated[
        int | None, typer.Option(min=1, help="Number of outputs of the reference network. Default: 2.")
    ] = None,
    modules: o.Import = None,
) -> None:
    """Show on which layers and tensors each technique acts and how strongly, or why it does not act."""
    from goodfit.cli import explain

    explain.show_explanation(folder, recipe, model, inputs, outputs)


@app.command(epilog="Example: `goodfit techniques dropout`")
def techniques(
    name: Annotated[
        str | None, typer.Argument(help="Name of a technique. Without it, the catalogue is listed.")
    ] = None,
    modules: o.Import = None,
) -> None:
    """List the catalogue, or show one technique: formula, knobs, when it helps and when it hurts."""
    from goodfit.cli import work

    work.show_techniques(name)


@app.command(epilog="Example: `goodfit predict goodfit-digits new.csv --out predictions.csv`")
@o.with_options(o.DAMAGED)
def predict(
    folder: o.RunFolder,
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="A table with the columns of the training data, or an NPZ file. For networks trained on images, "
            "sounds, clips or texts: also such a file or a folder of them; they get the size of the training rows.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="CSV file to write; for masks, a folder of image files. Default: standard output."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    modules: o.Import = None,
    options: Any = None,
) -> None:
    """Predict new rows or files, with class probabilities; with the best network if DIR is a study."""
    from goodfit.cli import predict

    predict.run_predict(folder, data, out, force, options["damaged"] or "refuse")


def _command() -> str:
    return shlex.join(["goodfit", *sys.argv[1:]])
