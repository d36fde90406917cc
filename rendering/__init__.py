"""The texts: what a claim is about, from the templates of the company's language."""

from rendering.renderer import RenderedEmail, Renderer

__all__ = ["RenderedEmail", "Renderer"]
