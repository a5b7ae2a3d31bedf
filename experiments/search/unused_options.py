"""Options that are asked for and that nothing in the search follows."""

from collections.abc import Collection

from strategies.method import MethodOptions
from strategies.registry import without_effect


def unused_options(strategy: str, method: MethodOptions, searched: Collection[str]) -> str | None:
    """What to tell about options that nothing follows, or None.

    Args:
        strategy: its name.
        method: the options.
        searched: the space's dimensions that are searched.
    """
    keys = [f"method.{option}" for option in without_effect(strategy, method)]
    if keys:
        return f"{', '.join(keys)} {'has' if len(keys) == 1 else 'have'} no effect on {strategy}"
    if method.share_widths and "width" not in searched:
        return "method.share_widths has no effect: no width is searched"
    return None
