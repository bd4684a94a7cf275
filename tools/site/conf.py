"""Configuration of Sphinx for the site; `build.py` copies it into the collected sources."""

import os

project = "zaremba-port"
author = "the zaremba-port developers"
copyright = author
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_mathjax_offline",
]
exclude_patterns = ["extra", "files", "gallery/*.py", "jupyter_execute"]
html_extra_path = ["extra"]
nitpicky = False
suppress_warnings = ["config.cache"]

# Markdown and notebooks.
myst_enable_extensions = ["dollarmath", "amsmath", "html_image", "attrs_inline", "colon_fence"]
myst_heading_anchors = 4
nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_merge_streams = True

# Docstrings: `name` is code, and a link if there is such an object.
default_role = "py:obj"
napoleon_numpy_docstring = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
add_module_names = False
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = "zaremba-port"
html_show_sphinx = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True, "footer_icons": []}

if os.environ.get("ZAREMBA_QUICK"):
    html_theme_options["announcement"] = "The notebooks of this build ran on small settings."
