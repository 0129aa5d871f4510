//! Whatever is appended, deleted, checkpointed and reopened: every query answers what a plain list
//! of events would, and `verify` finds nothing wrong.
//!
//! 2,000 histories, or as many as the environment's PROPTEST_CASES says. One that fails is made as
//! short as it can be, and shown.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use esdb_store::View;
use esdb_store::verify::{report::Report, verify};
use esdb_testing::model::Model;
use esdb_testing::operation::{Operation, operation};
use proptest::prelude::*;
use support::Logged;

fn histories() -> u32 {
    let asked = std::env::var("PROPTEST_CASES").ok();
    asked.map_or(2_000, |asked| asked.parse().unwrap())
}

fn check(model: &Model, view: &View) -> Result<(), TestCaseError> {
    model.check(view).map_err(TestCaseError::fail)
}

fn run(operations: Vec<Operation>) -> Result<(), TestCaseError> {
    let mut logged = Logged::in_memory();
    let mut model = Model::default();
    for operation in operations {
        logged.clock += 3;
        match operation {
            Operation::Commands(commands) => {
                let (mut encoded, mut expected) = (Vec::new(), Vec::new());
                for command in commands {
                    let command = model.resolve(command);
                    encoded.push(command.encode());
                    expected.push(model.execute(&command, Some(logged.clock)));
                }
                prop_assert_eq!(logged.apply(&encoded), expected);
            }
            Operation::Read(query) => {
                let checked = model.check_query(&logged.store.view(), &query);
                checked.map_err(TestCaseError::fail)?;
            }
            Operation::Checkpoint => {
                let before = logged.store.view();
                logged.store.checkpoint().unwrap();
                prop_assert_eq!(logged.store.checkpointed(), logged.store.applied());
                check(&model, &before)?;
                check(&model, &logged.store.view())?;
            }
            Operation::Restart { clean } => {
                if clean {
                    logged.store.checkpoint().unwrap();
                }
                logged = logged.reopen();
            }
        }
    }
    check(&model, &logged.store.view())?;
    prop_assert_eq!(logged.store.stats().events, model.events.len() as u64);
    logged.store.checkpoint().unwrap();
    check(&model, &logged.store.view())?;
    let logged = logged.reopen();
    check(&model, &logged.store.view())?;
    let mut damages = Vec::new();
    verify(&*logged.disk, logged.dir.path(), &mut |report| {
        if let Report::Damage(damage) = report {
            damages.push(damage);
        }
    });
    prop_assert_eq!(damages, []);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: histories(),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_query_answers_what_the_model_answers(
        operations in prop::collection::vec(operation(), 1..60),
    ) {
        run(operations)?;
    }
}
