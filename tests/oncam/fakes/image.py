"""A stand-in for the firmware's `image`: what a script names of it."""

from csi import GRAYSCALE, JPEG, RGB565, Image

__all__ = ["GRAYSCALE", "JPEG", "RGB565", "Image"]
