"""Names and what they stand for: each room registers its own laws, processes, activations, …"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from .arguments import belonging
from .validation import one_of

T = TypeVar("T")


class Registry(Mapping[str, T]):
    """A mapping from names to what they stand for, whose unknown names are errors of an argument.

    Args:
        argument: the argument that takes the names, as error messages call it.
        entries: the names, in the order in which messages and help list them.

    Raises:
        ArgumentError: on a look-up, naming the argument, the value and the known names.

    >>> colours = Registry("colour", {"red": 0xFF0000, "green": 0x00FF00})
    >>> colours["green"], list(colours)
    (65280, ['red', 'green'])
    >>> colours["gren"]
    Traceback (most recent call last):
    rfdiff.support.errors.ArgumentError: colour must be ... (did you mean 'green'?)
    """

    def __init__(self, argument: str, entries: Mapping[str, T]) -> None:
        self.argument = argument
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> T:
        return self._entries[one_of(self.argument, name, self._entries)]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def make(registry: Registry[Callable[..., T]], values: Mapping[str, Any]) -> T:
    """Return what plain values describe: the named entry, made of the values that belong to it.

    Args:
        registry: of an argument that is described by name, "target" or "sde".
        values: plain values by argument; what is missing or None is as by default.

    Raises:
        ArgumentError: an unknown name, or a value that belongs to another one.

    >>> from rfdiff.diffusion.sde import SDES
    >>> make(SDES, {"sde": "vp", "beta_max": 10.0, "m": 64})
    VPSDE(beta_min=0.1, beta_max=10.0, T=1.0)
    """
    name, own = belonging(registry.argument, values)
    return registry[name](**own)
