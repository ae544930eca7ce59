"""`rfdiff cite`: what to cite."""

import argparse
from typing import Any

from .._version import __version__

PAPER = """\
@inproceedings{li2023generalization,
  title     = {On the Generalization Properties of Diffusion Models},
  author    = {Li, Puheng and Li, Zhong and Zhang, Huishuai and Bian, Jiang},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {36},
  year      = {2023},
  eprint    = {2311.01797},
  archivePrefix = {arXiv}
}"""

SOFTWARE = f"""\
@software{{rfdiff,
  title   = {{rfdiff: an exact numerical laboratory for the generalisation of diffusion models}},
  author  = {{The rfdiff developers}},
  version = {{{__version__}}},
  year    = {{2026}}
}}"""


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "cite",
        help="print the BibTeX entries of the paper and of this package",
        description="Print the BibTeX entries of the paper this package follows and of itself.",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print both entries."""
    print(PAPER, SOFTWARE, sep="\n\n")
    return 0
