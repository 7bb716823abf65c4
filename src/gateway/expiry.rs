//! Ends sockets with their tokens.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::hub::Hub;
use crate::shutdown::{Stop, sleep};

/// How often it is looked whose token has ended.
const EVERY: Duration = Duration::from_secs(1);

/// Looks until it is told to stop.
///
/// # Errors
/// None.
pub(super) async fn run(hub: Arc<Hub>, stop: Stop) -> anyhow::Result<()> {
    while sleep(EVERY, &stop).await {
        hub.end_until(SystemTime::now());
    }
    Ok(())
}
