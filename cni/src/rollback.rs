//! What a failed ADD takes back, newest first.

use crate::error::CniError;

type Undo = Box<dyn FnOnce() -> Result<(), CniError>>;

/// The steps that would have to be taken back now. Each one opens what it needs by itself, so that
/// it works whatever state the failed step left its socket in.
#[derive(Default)]
pub struct Rollback {
    steps: Vec<Undo>,
}

impl Rollback {
    /// Nothing was done yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes how to take back what is about to be, or was just, done.
    pub fn push(&mut self, undo: impl FnOnce() -> Result<(), CniError> + 'static) {
        self.steps.push(Box::new(undo));
    }

    /// Takes everything back, goes on past errors, and returns `cause` with what could not be
    /// taken back.
    #[must_use]
    pub fn run(self, cause: CniError) -> CniError {
        let failures: Vec<String> = self
            .steps
            .into_iter()
            .rev()
            .filter_map(|undo| undo().err())
            .map(|error| format!("rolling back failed, DEL will try again: {}", error.msg))
            .collect();
        cause.and(&failures)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    #[test]
    fn newest_first_past_errors_and_reported() {
        let order = Rc::new(RefCell::new(Vec::new()));
        let mut rollback = Rollback::new();
        for (step, fails) in [(1, false), (2, true), (3, false)] {
            let order = Rc::clone(&order);
            rollback.push(move || {
                order.borrow_mut().push(step);
                if fails {
                    return Err(CniError::config("step two stuck", ""));
                }
                Ok(())
            });
        }
        let error = rollback.run(CniError::config("the cause", "the next step"));
        assert_eq!(*order.borrow(), [3, 2, 1]);
        assert_eq!(error.msg, "the cause");
        assert!(
            error.details.contains("step two stuck"),
            "{}",
            error.details
        );
    }
}
