"""What is installed and what it needs; the tested versions are in constraints.txt."""

import base64
import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def long_description() -> str:
    """Return README.md as it can be read on its own: pictures embedded, files named.

    A package index shows the text without the files beside it, so a relative link leads nowhere
    there. A link to a file becomes the file's name, which the source distribution contains.
    """
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"^<!--.*?-->\n", "", text, flags=re.MULTILINE | re.DOTALL)

    def embedded(path: str) -> str:
        content = base64.b64encode((ROOT / path).read_bytes()).decode()
        return f"data:image/svg+xml;base64,{content}"

    text = re.sub(r'src="(docs/[^"]+\.svg)"', lambda m: f'src="{embedded(m[1])}"', text)
    text = re.sub(r"\]\((docs/[^)#]+\.svg)\)", lambda m: f"]({embedded(m[1])})", text)

    def named(match: "re.Match[str]") -> str:
        title, target = match[1], match[2].partition("#")[0]
        return title if target in title else f"{title} (`{target}`)"

    return re.sub(r"(?<!!)\[([^\]]+)\]\((?![a-z]+:)([^)]+)\)", named, text)


plot = ["matplotlib"]
tensorboard = ["tensorboardX"]
completion = ["shtab"]
# What checks a graph's export to ONNX; there is no release for Python 3.10.
onnx = [f'{name}; python_version >= "3.11"' for name in ("onnx", "onnxruntime", "onnxscript")]
# What runs examples/*.ipynb without a window, for the tests.
kernel = [*plot, "ipykernel", "nbclient", "nbformat"]
# Any Jupyter opens the notebooks; this one comes with them.
notebooks = [*kernel, "jupyterlab"]
# What builds the site. sphinx-mathjax-offline and sphinx-revealjs only bring JavaScript.
docs = [
    *kernel,
    *("furo", "myst-nb", "sphinx>=8", "sphinx-copybutton"),
    *("codespell", "sphinx-mathjax-offline", "sphinx-revealjs"),
]
# What runs Lua programs.
lua = ["lupa>=2.0"]
test = [
    *completion,
    *kernel,
    *lua,
    *onnx,
    *tensorboard,
    "hypothesis",
    "pytest",
    "pytest-xdist",
    "selenium",
]
dev = [*test, "build", "codespell", "mypy", "pre-commit", "ruff"]

setup(
    name="zaremba-port",
    version="0.1.0",
    description="Zaremba's 2014 Torch7 LSTM language model and nngraph, in Python on PyTorch",
    long_description=long_description(),
    long_description_content_type="text/markdown",
    author="the zaremba-port developers",
    keywords="LSTM, language model, recurrent neural network, Torch7, nngraph, PyTorch, teaching",
    license_expression="Apache-2.0",
    license_files=["LICENSE", "NOTICE"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Framework :: Jupyter",
        "Intended Audience :: Education",
        "Intended Audience :: Science/Research",
        "Natural Language :: English",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: C",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Education",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Visualization",
        "Topic :: Text Processing :: Linguistic",
        "Typing :: Typed",
    ],
    packages=find_packages(
        include=["pygraph_nn", "pygraph_nn.*", "zaremba_port", "zaremba_port.*"]
    ),
    package_data={
        "pygraph_nn": ["py.typed"],
        "pygraph_nn.lua": ["prelude/*.lua"],
        "pygraph_nn.pictures": ["assets/*", "assets/*/*"],
        "pygraph_nn.recurrent.native": ["*.c", "*.h"],
        "zaremba_port": ["py.typed"],
        "zaremba_port.assignment.answers": ["assets/*"],
        "zaremba_port.assignment.diagrams": ["assets/*"],
        "zaremba_port.assignment.lua_comparison": ["assets/*"],
        "zaremba_port.assignment.markup": ["assets/*"],
        "zaremba_port.reports": ["assets/*"],
        "zaremba_port.text": ["assets/*"],
    },
    zip_safe=False,
    python_requires=">=3.10",
    install_requires=[
        "graphviz",
        "jinja2",
        "markdown-it-py",
        "markupsafe",
        "networkx",
        "numpy",
        "pooch",
        "pygments",
        "rich",
        "safetensors",
        "torch>=2.4",
    ],
    extras_require={
        "completion": completion,
        "plot": plot,
        "lua": lua,
        "tensorboard": tensorboard,
        "notebooks": notebooks,
        "docs": docs,
        "test": test,
        "dev": dev,
    },
    entry_points={"console_scripts": ["zaremba = zaremba_port.cli:main"]},
)
