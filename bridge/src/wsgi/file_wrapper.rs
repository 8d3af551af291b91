//! `wsgi.file_wrapper`: a file-like object as an answer.

use pyo3::prelude::*;

/// Blocks smaller than this cost more in calls than they save in memory.
const BLOCK: usize = 64 * 1024;

/// Iterates over a file in blocks, and closes it with the answer.
#[pyclass(frozen, module = "holdall_bridge")]
pub struct FileWrapper {
    file: Py<PyAny>,
    block: usize,
}

#[pymethods]
impl FileWrapper {
    #[new]
    #[pyo3(signature = (filelike, blksize=8192))]
    fn new(filelike: Py<PyAny>, blksize: usize) -> FileWrapper {
        FileWrapper { file: filelike, block: blksize.max(BLOCK) }
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let block = self.file.bind(py).call_method1("read", (self.block,))?;
        Ok(block.is_truthy()?.then_some(block))
    }

    /// Looked up only now: frameworks replace the file's `close` by the one of their response.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        if let Some(close) = self.file.bind(py).getattr_opt("close")? {
            close.call0()?;
        }
        Ok(())
    }
}
