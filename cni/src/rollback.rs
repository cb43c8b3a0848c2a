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

    /// Takes everything back and returns `cause`. Stops at what cannot be taken back, and says so:
    /// older steps are what it stands on (an address must stay reserved as long as an interface has
    /// it), and the next DEL does the rest.
    #[must_use]
    pub fn run(self, cause: CniError) -> CniError {
        let failure = self.steps.into_iter().rev().find_map(|undo| undo().err());
        match failure {
            None => cause,
            Some(error) => cause.and(&[format!(
                "rolling back stopped, run DEL to finish it: {}",
                error.msg
            )]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    #[test]
    fn newest_first_and_not_past_what_stays() {
        let order = Rc::new(RefCell::new(Vec::new()));
        let mut rollback = Rollback::new();
        for (step, fails) in [(1, false), (2, true), (3, false), (4, false)] {
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
        assert_eq!(*order.borrow(), [4, 3, 2]);
        assert_eq!(error.msg, "the cause");
        assert!(
            error.details.contains("step two stuck"),
            "{}",
            error.details
        );
    }
}
