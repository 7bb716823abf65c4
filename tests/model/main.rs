//! A model of claim, fence, finish and resume, in which everything that can happen does: every order of the steps of two
//! workers, two gateways and a client that comes and goes, with faults in between.
//!
//! It says that the rules are right and that each is needed, not that the program keeps them; the other tests do that.

mod effects;
mod rules;
mod steps;
mod world;

use std::collections::BTreeSet;

use stateright::{Checker, HasDiscoveries, Model, Property};

use effects::after;
use rules::{Fence, Order, PassingOn, Rules};
use steps::{Step, faults, steps};
use world::{Job, World, Wrong};

/// The rules, and how many faults may come.
struct Ringback {
    rules: Rules,
    faults: u8,
}

impl Model for Ringback {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.faults)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Step>) {
        actions.extend(steps(&self.rules, world));
        actions.extend(faults(&self.rules, world));
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        Some(after(&self.rules, world, step))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(FENCED, |_, world: &World| {
                world.wrong != Some(Wrong::Misrecorded)
            }),
            Property::always(ONCE, |_, world: &World| {
                world.wrong != Some(Wrong::SentTwice)
            }),
            Property::always(WELCOME, |_, world: &World| {
                world.wrong != Some(Wrong::Barred)
            }),
            Property::always(KEPT, |_, world: &World| {
                world.job != Job::Over || world.mailbox || world.client.has_result
            }),
            // When nothing is left that goes on by itself.
            Property::always(DELIVERED, |model: &Self, world: &World| {
                world.client.has_result || !steps(&model.rules, world).is_empty()
            }),
            Property::sometimes(REPEATED, |_, world: &World| {
                let mut sockets = world.gateways.iter().flat_map(|gateway| &gateway.sockets);
                world.client.has_result && sockets.any(|socket| socket.on_its_way)
            }),
        ]
    }
}

const FENCED: &str = "an outcome is recorded only under its own claim";
const ONCE: &str = "no socket is sent an outcome twice";
const WELCOME: &str = "the latest socket of a session is never told to go";
const KEPT: &str = "an outcome stays in the mailbox until the client has it";
const DELIVERED: &str = "when all is still, the client has its result";
const REPEATED: &str = "an outcome that was not acknowledged may come again";

/// Follows every order of steps.
#[expect(clippy::print_stdout, reason = "how much was tried")]
fn holds(rules: Rules) {
    let checker = Ringback { rules, faults: 3 }.checker();
    let checker = checker.threads(2).spawn_bfs().join();
    println!("{} states", checker.unique_state_count());
    checker.assert_properties();
}

/// Follows them until `property` does not hold.
fn breaks(property: &'static str, rules: Rules) {
    let checker = Ringback { rules, faults: 3 }.checker();
    let found = HasDiscoveries::AllOf(BTreeSet::from([property]));
    let checker = checker.threads(2).finish_when(found).spawn_bfs().join();
    checker.assert_any_discovery(property);
}

#[test]
fn whatever_is_lost_nothing_acknowledged_is() {
    holds(Rules::with_polling());
}

#[test]
fn while_no_hint_is_lost_nothing_waits_for_a_poll() {
    holds(Rules::with_hints_alone());
}

#[test]
fn without_the_fence_an_outdated_outcome_is_recorded() {
    let without = Rules {
        fence: Fence::None,
        ..Rules::with_polling()
    };
    breaks(FENCED, without);
}

#[test]
fn the_attempt_and_the_worker_are_no_fence_because_a_claim_may_be_lost() {
    let without = Rules {
        fence: Fence::AttemptAndWorker,
        ..Rules::with_polling()
    };
    breaks(FENCED, without);
}

#[test]
fn a_socket_that_reads_before_it_registers_misses_what_ends_in_between() {
    let without = Rules {
        order: Order::ReadThenRegister,
        ..Rules::with_hints_alone()
    };
    breaks(DELIVERED, without);
}

#[test]
fn without_passing_on_a_session_that_moves_misses_what_ends_meanwhile() {
    let passing_on = PassingOn::Never;
    let rules = Rules::with_hints_alone();
    breaks(
        DELIVERED,
        Rules {
            passing_on,
            ..rules
        },
    );
}

#[test]
fn a_gateway_that_passes_on_only_what_concerns_nobody_there_keeps_it_for_a_socket_that_has_gone() {
    let passing_on = PassingOn::FromNobody;
    let rules = Rules::with_hints_alone();
    breaks(
        DELIVERED,
        Rules {
            passing_on,
            ..rules
        },
    );
}

#[test]
fn without_epochs_an_earlier_socket_leaves_the_session_of_a_later_one() {
    let without = Rules {
        epochs: false,
        ..Rules::with_hints_alone()
    };
    breaks(DELIVERED, without);
}

#[test]
fn if_the_last_to_register_won_the_latest_socket_could_be_told_to_go() {
    let without = Rules {
        latest_wins: false,
        ..Rules::with_polling()
    };
    breaks(WELCOME, without);
}

#[test]
fn without_a_mailbox_an_outcome_is_lost_with_its_socket() {
    let without = Rules {
        mails: false,
        ..Rules::with_polling()
    };
    breaks(KEPT, without);
}

#[test]
fn a_socket_that_does_not_remember_is_sent_an_outcome_twice() {
    let without = Rules {
        remembers: false,
        ..Rules::with_polling()
    };
    breaks(ONCE, without);
}
