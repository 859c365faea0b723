"""Copy the browser files of the book from npm packages into book/assets/vendor.

Run after `npm install` in this folder; needed only to update their versions.
"""

import shutil
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGES = HERE / "node_modules"
VENDOR = HERE.parent / "book" / "assets" / "vendor"

FILES = {
    "requirejs/require.js": "require.js",
    "@jupyter-widgets/html-manager/dist/embed-amd.js": "html-manager/embed-amd.js",
    "@jupyter-widgets/html-manager/dist/embed.js.LICENSE.txt": "html-manager/LICENSE.txt",
    "mathjax/es5/tex-chtml.js": "mathjax/tex-chtml.js",
    "mathjax/LICENSE": "mathjax/LICENSE",
    "reveal.js/dist/reveal.js": "reveal/reveal.js",
    "reveal.js/dist/reveal.css": "reveal/reveal.css",
    "reveal.js/LICENSE": "reveal/LICENSE",
}
FOLDERS = {
    "mathjax/es5/output/chtml/fonts": "mathjax/output/chtml/fonts",
    "mathjax/es5/input/tex/extensions": "mathjax/input/tex/extensions",
}


def main() -> None:
    shutil.rmtree(VENDOR, ignore_errors=True)
    for source, target in FILES.items():
        (VENDOR / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PACKAGES / source, VENDOR / target)
    for font in (PACKAGES / "@jupyter-widgets/html-manager/dist").glob("*.woff2"):
        shutil.copy(font, VENDOR / "html-manager")
    for source, target in FOLDERS.items():
        shutil.copytree(PACKAGES / source, VENDOR / target)


if __name__ == "__main__":
    main()
