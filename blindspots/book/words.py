"""Numbers that flow from the cells of a chapter into its sentences."""

try:
    from myst_nb import glue as _glue
except ImportError:  # a reader without the book's tools, on Colab for instance

    def _glue(name: str, variable: object, display: bool = True) -> None:
        """Outside the build nothing reads the value."""


def glue(**values: str) -> None:
    """Make computed values available to the text of the page, for its `glue:text` role.

    Silent in a notebook, and does nothing where the book's tools are not installed.

    Raises:
        TypeError: if a value is not a string: how many digits a sentence shows is for the chapter
            to say.

    >>> glue(test_error=f"{100 * 0.0738:.1f}")
    """
    for name, value in values.items():
        if not isinstance(value, str):
            raise TypeError(f"glue({name}=...) needs a string, got {value!r}: format it first")
        _glue(name, value, display=False)
