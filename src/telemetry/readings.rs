//! Figures that are read from elsewhere when somebody asks, and the text that all are exposed in.

use std::fmt;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// One that is read from elsewhere when somebody asks, by one label.
#[derive(Debug)]
pub struct Reading<'a> {
    /// Its name, without that of the program.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// What its label is called.
    pub label: &'static str,
    /// Its values, by label.
    pub values: Vec<(&'a str, f64)>,
}

/// Such readings, in the same format.
#[must_use]
pub fn text_of(readings: Vec<Reading<'_>>) -> String {
    let mut registry = Registry::with_prefix("ringback");
    for reading in readings {
        let family = Family::<Vec<(&'static str, String)>, Gauge<f64, AtomicU64>>::default();
        for (value_of, value) in reading.values {
            let label = vec![(reading.label, value_of.to_owned())];
            family.get_or_create(&label).set(value);
        }
        registry.register(reading.name, reading.help, family);
    }
    exposed(&registry)
}

pub(super) fn exposed(registry: &Registry) -> String {
    let mut text = String::new();
    let written: fmt::Result = prometheus_text::encode(&mut text, registry);
    written.expect("writing into a text does not fail");
    text
}
