//! The bridge: FastCGI to WSGI.
