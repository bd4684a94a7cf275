"""What is installed and what it needs; the tested versions are in constraints.txt."""

from pathlib import Path

from setuptools import find_packages, setup

readme = Path(__file__).parent / "README.md"

plot = ["matplotlib"]
# What checks a graph's export to ONNX; there is no release for Python 3.10.
onnx = [f'{name}; python_version >= "3.11"' for name in ("onnx", "onnxruntime", "onnxscript")]
# What runs examples/*.ipynb; any Jupyter opens them.
notebooks = [*plot, "ipykernel", "nbclient", "nbformat"]
# What runs Lua programs.
lua = ["lupa>=2.0"]
test = [*notebooks, *lua, *onnx, "hypothesis", "pytest", "selenium"]
dev = [*test, "mypy", "pre-commit", "ruff"]

setup(
    name="zaremba-port",
    version="0.1.0",
    description="Zaremba's 2014 Torch7 LSTM language model and nngraph, in Python on PyTorch",
    long_description=readme.read_text(encoding="utf-8") if readme.exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE", "NOTICE"],
    classifiers=[
        "Intended Audience :: Education",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
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
        "zaremba_port.assignment.lua_comparison": ["assets/*"],
        "zaremba_port.assignment.markup": ["assets/*"],
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
    extras_require={"plot": plot, "lua": lua, "notebooks": notebooks, "test": test, "dev": dev},
    entry_points={"console_scripts": ["zaremba = zaremba_port.cli:main"]},
)
