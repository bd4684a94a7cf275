"""The compiled kernels: the C sources, their build (`build`), and the calls (`bindings`)."""
