//! Somebody, and what they may do.

use std::sync::Arc;
use std::time::SystemTime;

/// Who owns what was submitted without authentication.
pub const ANONYMOUS: &str = "anonymous";

/// Somebody whom a gateway knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who: the owner of what they submit.
    pub subject: Arc<str>,
    /// What they may do.
    pub scopes: Scopes,
    /// Until when; without, for ever.
    pub until: Option<SystemTime>,
}

impl Identity {
    /// Whoever comes, where there is no authentication: they may do everything.
    #[must_use]
    pub fn anyone() -> Self {
        Self {
            subject: ANONYMOUS.into(),
            scopes: Scopes::from_iter([Scope::Admin]),
            until: None,
        }
    }

    /// Whether they may do this.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contain(scope)
    }

    /// Whose jobs they may look after: their own; everybody's, as an operator.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        (!self.may(Scope::Admin)).then_some(&*self.subject)
    }
}

/// Something that somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Submit jobs, and cancel and retry their own.
    JobsSubmit,
    /// Look at their own jobs over HTTP.
    JobsRead,
    /// Send notices to everyone.
    NoticesSend,
    /// Read figures about the whole system.
    MetricsRead,
    /// Everything, also with the jobs of others.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::JobsSubmit,
        Self::JobsRead,
        Self::NoticesSend,
        Self::MetricsRead,
        Self::Admin,
    ];

    /// Its name in tokens.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::JobsSubmit => "jobs:submit",
            Self::JobsRead => "jobs:read",
            Self::NoticesSend => "notices:send",
            Self::MetricsRead => "metrics:read",
            Self::Admin => "admin",
        }
    }

    /// The scope of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// Those that are named, separated by spaces; names that mean nothing here are left out.
    #[must_use]
    pub fn parse(names: &str) -> Self {
        names.split(' ').filter_map(Scope::named).collect()
    }

    /// Whether this scope is among them, or is part of one that is: `admin` is all of them.
    #[must_use]
    pub const fn contain(self, scope: Scope) -> bool {
        self.0 & (scope.bit() | Scope::Admin.bit()) != 0
    }

    /// The names of those that were given.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Scope::ALL
            .into_iter()
            .filter(move |scope| self.0 & scope.bit() != 0)
            .map(Scope::name)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<T: IntoIterator<Item = Scope>>(scopes: T) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_allows_itself_and_admin_everything() {
        let scopes = Scopes::parse("jobs:submit  unheard:of notices:send");
        let allowed: Vec<bool> = Scope::ALL
            .into_iter()
            .map(|scope| scopes.contain(scope))
            .collect();
        assert_eq!(allowed, [true, false, true, false, false]);
        let admin = Scopes::parse("admin");
        assert!(Scope::ALL.into_iter().all(|scope| admin.contain(scope)));
        assert_eq!(admin.names().collect::<Vec<_>>(), ["admin"]);
    }

    #[test]
    fn only_an_operator_looks_after_the_jobs_of_others() {
        let mut identity = Identity::anyone();
        assert_eq!(identity.owner(), None);
        identity.scopes = Scopes::parse("jobs:submit jobs:read notices:send metrics:read");
        assert_eq!(identity.owner(), Some(ANONYMOUS));
    }
}
