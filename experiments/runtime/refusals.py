"""Why an image file is not read: its real kind by name, and the cure. No torch."""

from experiments.runtime.kinds import FILM

CURES = {
    "camera RAW": "develop it and save it as PNG",
    "DICOM": "export its picture as PNG",
    "ZIP": "unpack it",
    "gzip": "unpack it",
    "7-Zip": "unpack it",
    "RAR": "unpack it",
    "HTML": "it may be an error page of a download: fetch the image anew",
    "Git LFS pointer": "fetch the image itself with git lfs pull",
    "JSON": "give the image itself",
    "XML": "give the image itself",
    "plain text": "give the image itself",
}
"""What to do with kinds that are not simply saved anew."""
SAVE = "save it as PNG"


class RefusedImageError(ValueError):
    """Why an image is not read, and the fix; without the file's name."""


def refuse_kind(kind: str) -> RefusedImageError:
    """The error for a whole kind of files, as ``kind_of`` names it."""
    if kind == FILM:
        return RefusedImageError("is a film, not an image; give single frames as images")
    return RefusedImageError(f"is {kind} by its content, which is not read; {CURES.get(kind, SAVE)}")
