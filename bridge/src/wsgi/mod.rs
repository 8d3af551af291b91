//! The WSGI side: the only part that knows Python. What an application does wrong is logged and becomes a plain
//! 500; no panic and no fault of its own reaches the interpreter.

mod application;
mod check;
mod environ;
mod errors;
mod file_wrapper;
mod handler;
mod input;
mod module;
mod process;
mod recipe;
mod serve;
mod stacks;
mod start_response;
#[cfg(windows)]
mod streams;
mod talk;
