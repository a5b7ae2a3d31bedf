"""Serve an exported network over HTTP, on this machine alone unless told otherwise.

::

    pip install 'ssr-nas[serve]'
    python -m experiments.examples.serve model.onnx --port 8000
    curl -F image=@street.jpg 'http://127.0.0.1:8000/segment?output=overlay' --output overlay.png

There is no authentication and no encryption: put a reverse proxy in front before other machines may reach it.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

import cv2
import numpy as np
from fastapi import FastAPI, HTTPException, Response, UploadFile
from fastapi.responses import JSONResponse

from experiments import Segmenter
from experiments.examples.limits import LimitedRequests, Limits
from experiments.runtime.images import decode_image
from nas_space.errors import InputError

CONTENT_TYPES = ("image/jpeg", "image/png")


class Output(str, Enum):
    """What comes back: a PNG of class indices, colours or the image under colours; or each class's share as JSON."""

    CLASSES = "classes"
    COLOURS = "colours"
    OVERLAY = "overlay"
    SHARES = "shares"


def create_app(segmenter: Segmenter, limits: Limits = Limits()) -> FastAPI:  # noqa: B008  # frozen
    """The application.

    Args:
        segmenter: what it serves.
        limits: what it takes.
    """
    app = FastAPI(title="ssr-nas", description="Semantic segmentation of uploaded images.")
    app.add_middleware(LimitedRequests, limits=limits)

    @app.get("/")
    def about() -> dict[str, Any]:
        """What is served."""
        description = segmenter.description
        return {
            "classes": description.classes,
            "colours": description.colours,
            "dataset": description.dataset,
            "size": segmenter.size,
            "precision": description.precision,
            "engine": segmenter.engine,
        }

    @app.post("/segment")
    def segment(image: UploadFile, output: Output = Output.COLOURS) -> Response:
        """Segment the uploaded JPEG or PNG image; pictures come back as PNG, at its size."""
        if image.content_type not in CONTENT_TYPES:
            raise HTTPException(415, f"image: send it as {' or '.join(CONTENT_TYPES)}")
        try:
            pixels = decode_image(image.file.read(), "image", limits.most_pixels, segmenter.description.image_bits)
        except InputError as error:
            raise HTTPException(422, str(error)) from None
        result = segmenter(pixels)  # what goes wrong from here on is no fault of the client's, nor its business
        if output is Output.SHARES:
            return JSONResponse(result.shares())
        pictures = {Output.COLOURS: result.colour_map, Output.OVERLAY: result.overlay}
        picture = result.classes if output is Output.CLASSES else pictures[output]()
        return Response(_png(picture), media_type="image/png")

    return app


def _png(picture: np.ndarray) -> bytes:
    bgr = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".png", bgr)[1].tobytes()


def _whole(least: int, most: int = sys.maxsize) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not least <= (value := int(text)) <= most:
            upper = f" and at most {most}" if most < sys.maxsize else ""
            raise argparse.ArgumentTypeError(f"{text} must be at least {least}{upper}")
        return value

    return number


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until interrupted; returns the exit code."""
    import uvicorn

    name, description = "python -m experiments.examples.serve", "Serve an exported network over HTTP."
    parser = argparse.ArgumentParser(prog=name, description=description)
    parser.add_argument("file", help="model.onnx, or model.xml of an OpenVINO model")
    host = "address to listen on (default: %(default)s, this machine alone)"
    parser.add_argument("--host", default="127.0.0.1", help=host)
    parser.add_argument("--port", type=_whole(0, 65535), default=8000)
    parser.add_argument("--threads", type=int, help="threads of one inference (default: all cores)")
    helps = {"concurrency": "requests at once", "most-bytes": "bytes of a request", "most-pixels": "pixels of an image"}
    for key, text in helps.items():
        value = getattr(Limits, key.replace("-", "_"))
        parser.add_argument(f"--{key}", type=_whole(1), default=value, help=f"{text} (default: %(default)s)")
    arguments = parser.parse_args(argv)
    try:
        segmenter = Segmenter(arguments.file, threads=arguments.threads)
    except InputError as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 2
    limits = Limits(arguments.most_bytes, arguments.most_pixels, arguments.concurrency)
    uvicorn.run(create_app(segmenter, limits), host=arguments.host, port=arguments.port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
