//! Holdall
