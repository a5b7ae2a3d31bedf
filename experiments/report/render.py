"""HTML pages that need nothing beside them: no file, no script, no network."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from experiments.report.captions import CAPTIONS


def render(template: str, images: Mapping[str, bytes], **values: Any) -> str:
    """A page.

    Args:
        template: a file beside this one. The head of every page is made of ``title``, ``verdict``, ``next`` (a command)
            and ``facts``, pairs of a name and a value.
        images: PNG files by name; each has a caption of that name.
        values: what the template names.
    """
    folder = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=folder, autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    encoded = {name: base64.b64encode(image).decode() for name, image in images.items()}
    head = {"next": "", "facts": []}
    return environment.get_template(template).render({**head, **values}, images=encoded, captions=CAPTIONS)
