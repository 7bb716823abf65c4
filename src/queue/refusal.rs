//! Why something was not stored.

use std::fmt;

use sqlx::postgres::PgDatabaseError;

/// Why a row was not committed.
#[derive(Debug)]
pub enum Refusal {
    /// The database refused it, and it alone.
    Data(sqlx::Error),
    /// Somebody's transaction that is under way holds its key.
    Locked,
    /// The database stayed away for as long as we were willing to wait.
    Away {
        /// Whether it may have been committed all the same.
        maybe: bool,
    },
}

/// The reason, and what to do about it where the database says that.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(error) => {
                let Some(error) = error.as_database_error() else {
                    return error.fmt(f);
                };
                f.write_str(error.message())?;
                let error = error.try_downcast_ref::<PgDatabaseError>();
                match error.and_then(PgDatabaseError::hint) {
                    Some(hint) => write!(f, " ({hint})"),
                    None => Ok(()),
                }
            }
            Self::Locked => f.write_str("somebody's transaction holds it"),
            Self::Away { .. } => f.write_str("the database was away"),
        }
    }
}
