"""The command ``ssr-nas``: finds the command's module, reads its options, and runs it.

Exit codes: 0 done, 1 a failure of ours, 2 a mistake in the input (or a full disk), 130 interrupted (by Ctrl+C, or a
closed terminal), 143 terminated (``launch``, ``compare``, ``landscape`` and ``race`` stop what they have started, as
after an interrupt, and end with 130).

Only what listens to signals is imported here. The rest is imported when they are listened to.
"""

import sys
from collections.abc import Sequence

from experiments.runs.signals import listen

PROG = "ssr-nas"
HINTS = {
    "compare": "the same command goes on with what is missing",
    "landscape": "the same command goes on with what is missing",
    "race": "the same command goes on with what is missing",
    "race-trial": "it goes on after its last training when nnictl resume submits it again",
    "fit-trial": "ssr-nas fit --resume and the run folder of the fit submits it again",
    "trial": "it goes on from its last epoch when nnictl resume, or ssr-nas launch --resume, submits it again",
}
"""What to do after an interrupt that does not say it, where it is something else than ``AGAIN``."""
AGAIN = "give the command again"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, and return the exit code.

    Args:
        argv: the arguments. If absent, this process is the program: its own arguments count, and it hears signals.
    """
    if argv is None:
        listen()
    import os
    from difflib import get_close_matches

    from experiments import __version__
    from experiments.commands import COMMANDS
    from experiments.runs.failures import fail, guarded
    from experiments.runs.output import survive_closed_output
    from experiments.runs.processes import rank, termination_handled
    from experiments.runs.telling import told_once
    from experiments.runs.threads import sleep_while_waiting, stay_within_limit

    if argv is None:
        os.environ["MPLBACKEND"] = "agg"  # figures go to files; what a notebook has set may not be installed here
    arguments = list(sys.argv[1:] if argv is None else argv)
    survive_closed_output()
    sleep_while_waiting()
    stay_within_limit()
    if rank() > 0:
        code = _guarded(arguments[0], arguments[1:])
        sys.stderr.flush()
        os._exit(code)  # no exit handler may wait for the other processes
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:], "--help"]
    if not arguments or arguments[0] in ("-h", "--help", "--help_all"):
        print(_overview())
        return 0
    if arguments[0] == "--version":
        print(f"{PROG} {__version__}")
        return 0
    if arguments[0] == "--print_completion":
        return guarded(PROG, AGAIN, lambda: _print_completion(arguments[1:]))
    pair = " ".join(arguments[:2])
    words = 2 if pair in COMMANDS else 1
    name = " ".join(arguments[:words])
    if name not in COMMANDS:
        near = get_close_matches(pair, COMMANDS, n=1) or get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(COMMANDS)}"
        return fail(PROG, f"{name}: unknown command; {hint}", 2)
    longer = [other for other in COMMANDS if other.startswith(f"{name} ")]
    if longer and len(arguments) > words and not arguments[words].startswith("-"):
        word = arguments[words]
        near = get_close_matches(word, [other.rpartition(" ")[2] for other in longer], n=1)
        hint = f"did you mean {name} {near[0]}?" if near else f"choose from {', '.join(longer)}, or give --key value"
        return fail(f"{PROG} {name}", f"{word}: unknown; {hint}", 2)
    with termination_handled(), told_once():
        return _guarded(name, arguments[words:])


def _guarded(name: str, arguments: Sequence[str]) -> int:
    from experiments.runs.failures import guarded

    return guarded(f"{PROG} {name}", HINTS.get(name, AGAIN), lambda: _run(name, arguments))


def _run(name: str, arguments: Sequence[str]) -> int:
    import importlib
    import json
    import warnings

    from experiments.commands import COMMANDS, help_line
    from experiments.runs.processes import rank

    # NNI remarks on classes in torch.nn that are no modules; nobody can act on it.
    warnings.filterwarnings("ignore", message=".*is found to be not a nn.Module", category=RuntimeWarning)
    if rank() > 0:  # one of the further processes of a search, whatever command has started it
        from experiments.search.follower import join_search

        join_search()
        return 0
    from experiments.commands.usage import USAGE
    from experiments.options.arguments import parse
    from experiments.options.help import NO_USAGE
    from experiments.runs.files import plain

    module = importlib.import_module(COMMANDS[name])
    usage = USAGE.get(name, NO_USAGE)
    options, as_json = parse(f"{PROG} {name}", help_line(name), module.Options, arguments, usage)
    result = module.run(options)
    if as_json:
        print(json.dumps(plain(result), allow_nan=False))
    sys.stdout.flush()
    return module.exit_code(result) if hasattr(module, "exit_code") else 0


def _print_completion(shells: Sequence[str]) -> int:
    import importlib

    from experiments.commands import COMMANDS, help_line
    from experiments.options.completion import completion

    commands = {name: (help_line(name), importlib.import_module(module).Options) for name, module in COMMANDS.items()}
    print(completion(" ".join(shells), PROG, commands))
    return 0


def _overview() -> str:
    import textwrap

    from experiments.commands import COMMANDS, GROUPS, help_line
    from experiments.options.help import terminal_width

    width, names = terminal_width(), max(map(len, COMMANDS))
    lines = [f"usage: {PROG} COMMAND [--key value ...]", "", f"example: {PROG} search"]
    for title, group in GROUPS.items():
        lines += ["", f"{title}:"]
        for name in group:
            first, further = f"  {name:<{names}}  ", " " * (names + 4)
            lines += textwrap.wrap(help_line(name), width, initial_indent=first, subsequent_indent=further)
    tail = (
        f"{PROG} help COMMAND shows examples and the options of a command; {PROG} --version prints the version; "
        f"{PROG} --print_completion bash (zsh, fish) prints what the shell completes."
    )
    return "\n".join([*lines, "", *textwrap.wrap(tail, width)])


if __name__ == "__main__":
    sys.exit(main())
