//! Guarantee: each form of selector matches the events that its documentation names, and no others.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use esdb_etf::Term;
use esdb_subscription::{Access, Selector, subscription_id};
use support::{Event, T, atom, bin, map, op, parse};

fn matches(kind: &'static str, selector: T, event: &Event) -> bool {
    let parsed = parse(kind, &selector).unwrap_or_else(|error| panic!("{error}: {selector:?}"));
    parsed.matches(&event.recorded())
}

#[test]
fn streams_with_and_without_dollar() {
    let order = Event::new("order-1", "placed");
    let link = Event::new("$link:order-1", "placed");
    for kind in ["by_stream", "stream"] {
        assert!(matches(kind, bin("$all"), &order) && matches(kind, bin("$all"), &link));
        assert!(matches(kind, bin("order-1"), &order) && !matches(kind, bin("order-1"), &link));
        assert!(matches(kind, bin("$order-1"), &order));
        assert!(!matches(kind, bin("order-12"), &order) && !matches(kind, bin("order-*"), &order));
        assert!(matches(kind, bin("$link:order-1"), &link));
    }
    // No system stream: nothing, or capitals, before the colon.
    assert!(matches("by_stream", bin("$:a"), &Event::new(":a", "t")));
    assert!(matches(
        "by_stream",
        bin("$User:1"),
        &Event::new("User:1", "t")
    ));
    assert!(Selector::stream(b"$odd").matches(&Event::new("$odd", "t").recorded()));
}

#[test]
fn event_types() {
    let mut event = Event::new("s", "placed");
    for kind in ["by_event_type", "event_type"] {
        assert!(matches(kind, bin("placed"), &event));
        assert!(!matches(kind, bin("placed2"), &event) && !matches(kind, atom("placed"), &event));
    }
    event.event_type = atom("placed").bytes();
    assert!(matches("by_event_type", atom("placed"), &event));
    assert!(!matches("by_event_type", bin("placed"), &event));
}

#[test]
fn tags() {
    let event = Event::new("s", "t").tags(&["red", "round"]);
    let list = |names: &[&str]| T::List(names.iter().map(|name| bin(name)).collect());
    for kind in ["by_tags", "tags"] {
        assert!(matches(kind, bin("red"), &event) && matches(kind, list(&["x", "round"]), &event));
        assert!(!matches(kind, list(&["x", "re"]), &event));
        assert!(!matches(kind, bin("red"), &Event::new("s", "t")));
    }
    // In a pattern, the tags named are part of the event's.
    let pattern = |names| map([(atom("tags"), list(names))]);
    assert!(matches(
        "by_event_pattern",
        pattern(&["round", "red"]),
        &event
    ));
    assert!(!matches("by_event_pattern", pattern(&["red", "x"]), &event));
}

#[test]
fn stream_wildcards() {
    for kind in ["by_event_pattern", "event_pattern"] {
        let order = Event::new("order-1-region-eu", "t");
        for (pattern, expected) in [
            ("order-*", true),
            ("*-region-eu", true),
            ("*-1-*", true),
            ("*", true),
            ("order-1-region-eu", true),
            ("order", false),
            ("*order", false),
        ] {
            assert_eq!(matches(kind, bin(pattern), &order), expected, "{pattern}");
            for name in ["stream_id", "event_stream_id"] {
                let field = map([(atom(name), bin(pattern))]);
                assert_eq!(matches(kind, field, &order), expected, "{pattern}");
            }
        }
    }
}

#[test]
fn patterns_over_fields() {
    let event = Event::new("s", "placed")
        .data(&map([(atom("total"), T::Int(5)), (bin("id"), bin("x"))]))
        .metadata(&map([(atom("tenant"), bin("a")), (atom("try"), T::Int(1))]));
    let matches = |pairs| matches("by_event_pattern", pairs, &event);
    assert!(matches(map([])));
    assert!(matches(map([(bin("event_type"), bin("placed"))])));
    assert!(!matches(map([(atom("event_type"), bin("paid"))])));
    assert!(matches(map([(
        atom("metadata"),
        map([(atom("tenant"), bin("a"))])
    )])));
    assert!(!matches(map([(
        atom("metadata"),
        map([(bin("tenant"), bin("a"))])
    )])));
    assert!(matches(map([(atom("data"), map([(bin("id"), bin("x"))]))])));
    assert!(matches(map([(atom("version"), T::Int(7))])));
    assert!(matches(map([(atom("event_number"), op("gt", T::Int(6)))])));
    assert!(matches(map([(
        atom("epoch_us"),
        T::Int(1_700_000_000_123_456)
    )])));
    assert!(matches(map([(
        atom("timestamp"),
        op("lt", T::Int(1_700_000_000_124))
    )])));
    assert!(matches(map([(atom("event_id"), bin("e1"))])));
    assert!(matches(map([(atom("stream_id"), op("ne", bin("other")))])));
    assert!(matches(map([(
        atom("data_content_type"),
        bin("application/json")
    )])));
    assert!(matches(map([
        (
            atom("event_type"),
            op("in", T::List(vec![bin("paid"), bin("placed")]))
        ),
        (atom("data"), atom("_")),
        (atom("metadata"), map([(atom("try"), op("ne", T::Int(0)))])),
    ])));
    assert!(!matches(map([
        (atom("event_type"), bin("placed")),
        (atom("metadata"), map([(atom("tenant"), bin("b"))])),
    ])));
}

#[test]
fn payloads() {
    let customer = map([(atom("type"), bin("VIP")), (atom("age"), T::Int(40))]);
    let event = Event::new("s", "placed").data(&map([
        (atom("total"), T::Int(10_001)),
        (bin("total"), T::Int(1)),
        (atom("ratio"), T::Float(0.5)),
        (atom("huge"), T::Big(1, 5)),
        (atom("customer"), customer.clone()),
        (atom("none"), atom("undefined")),
        (atom("list"), T::List(vec![customer.clone()])),
        (atom("pair"), op("gt", T::Int(1))),
    ]));
    let one = |key: T, value: T| matches("by_event_payload", map([(key, value)]), &event);
    let total = |value| one(atom("total"), value);
    assert!(total(T::Int(10_001)) && !total(T::Int(10_000)) && !total(T::Float(10_001.0)));
    assert!(total(op("gt", T::Int(10_000))) && !total(op("gt", T::Int(10_001))));
    assert!(total(op("gt", T::Float(10_000.5))) && !total(op("gt", T::Float(10_001.5))));
    for name in ["gte", "ge"] {
        assert!(total(op(name, T::Int(10_001))) && !total(op(name, T::Int(10_002))));
        assert!(total(op(name, T::Float(10_001.0))));
    }
    assert!(total(op("lt", T::Int(10_002))) && !total(op("lt", T::Int(10_001))));
    for name in ["lte", "le"] {
        assert!(total(op(name, T::Int(10_001))) && !total(op(name, T::Int(10_000))));
    }
    assert!(total(op("lt", T::Big(1, 0))) && total(op("gt", T::Big(-1, 0))));
    assert!(total(op("eq", T::Int(10_001))) && !total(op("eq", T::Int(1))));
    assert!(total(op("ne", T::Int(1))) && !total(op("ne", T::Int(10_001))));
    assert!(total(op("in", T::List(vec![T::Int(1), T::Int(10_001)]))));
    assert!(!total(op("in", T::List(vec![T::Int(1), bin("10001")]))));
    assert!(total(atom("_")) && !one(atom("missing"), atom("_")));
    assert!(!one(atom("missing"), op("ne", T::Int(1))));
    assert!(one(bin("total"), T::Int(1)));
    assert!(one(atom("ratio"), op("lt", T::Int(1))) && one(atom("ratio"), op("gt", T::Int(0))));
    assert!(one(atom("huge"), op("gt", T::Int(i64::MAX))));
    assert!(one(atom("huge"), op("gt", T::Float(1e19))));
    assert!(one(atom("huge"), op("lt", T::Float(1e300))) && one(atom("huge"), T::Big(1, 5)));
    assert!(!one(atom("none"), op("gt", T::Int(0))) && one(atom("none"), atom("undefined")));
    // A map asks for its own pairs only; in other terms, and behind eq, it is a value.
    let vip = map([(atom("type"), bin("VIP"))]);
    assert!(one(atom("customer"), vip.clone()) && one(atom("customer"), map([])));
    assert!(one(
        atom("customer"),
        map([(atom("age"), op("ge", T::Int(18)))])
    ));
    assert!(!one(atom("customer"), op("eq", vip.clone())));
    assert!(one(atom("customer"), op("eq", customer.clone())));
    assert!(one(atom("list"), T::List(vec![customer])) && !one(atom("list"), T::List(vec![vip])));
    assert!(one(atom("pair"), op("eq", op("gt", T::Int(1)))));
    assert!(!matches(
        "by_event_payload",
        map([]),
        &Event::new("s", "t").data(&bin("{}"))
    ));
}

#[test]
fn what_makes_no_sense() {
    let long = "x".repeat(70_000);
    let nested = (0..40).fold(T::Int(1), |inner, _| map([(atom("a"), inner)]));
    let pattern = |field, value| {
        (
            "by_event_pattern",
            map([(atom(field), value)]),
            "invalid_pattern",
        )
    };
    for (kind, selector, reason) in [
        ("by_color", bin("red"), "unknown_type"),
        ("by_stream", bin(""), "invalid_stream"),
        ("by_stream", bin("$"), "invalid_stream"),
        ("by_stream", atom("order"), "invalid_stream"),
        ("by_stream", map([]), "invalid_stream"),
        ("by_event_type", bin(""), "invalid_event_type"),
        ("by_event_type", T::Int(1), "invalid_event_type"),
        ("by_event_pattern", T::Int(1), "invalid_pattern"),
        ("by_event_pattern", bin(""), "invalid_pattern"),
        (
            "by_event_pattern",
            map([(T::Int(1), T::Int(1))]),
            "invalid_pattern",
        ),
        (
            "by_event_pattern",
            map([(atom("tenant"), bin("a"))]),
            "unknown_field",
        ),
        // What no event's field can be.
        ("by_event_type", atom("undefined"), "invalid_event_type"),
        ("by_event_type", atom("nil"), "invalid_event_type"),
        pattern("event_type", T::Int(1)),
        pattern("event_type", bin("")),
        pattern("event_type", atom("undefined")),
        pattern("event_type", op("gt", T::Int(1))),
        pattern("event_type", map([])),
        pattern("stream_id", bin("")),
        pattern("stream_id", atom("order")),
        pattern(
            "event_stream_id",
            op("in", T::List(vec![bin(""), T::Int(1)])),
        ),
        pattern("stream_id", op("lt", T::Int(1))),
        pattern("stream_id", map([])),
        pattern("event_id", T::Int(1)),
        pattern("version", bin("1")),
        pattern("event_number", T::Int(-1)),
        pattern("version", T::Float(1.0)),
        pattern("version", op("in", T::List(vec![bin("1")]))),
        pattern("timestamp", bin("now")),
        pattern("epoch_us", map([])),
        pattern("tags", T::List(vec![bin("a"), T::Int(1)])),
        pattern("tags", op("gt", T::Int(1))),
        pattern("tags", atom("red")),
        pattern("data_content_type", atom("json")),
        ("by_event_payload", bin("x"), "invalid_payload"),
        (
            "by_event_payload",
            map([(atom("a"), op("gt", bin("1")))]),
            "invalid_operator",
        ),
        (
            "by_event_payload",
            map([(atom("a"), op("in", T::List(vec![])))]),
            "invalid_operator",
        ),
        (
            "by_event_payload",
            map([(atom("a"), op("in", T::Int(1)))]),
            "invalid_operator",
        ),
        ("by_event_payload", nested, "too_deep"),
        (
            "by_event_payload",
            map([(T::Int(1), T::Int(1)), (T::Int(1), T::Int(2))]),
            "malformed",
        ),
        ("by_event_type", bin(&long), "too_large"),
        ("by_tags", T::List(vec![]), "invalid_tags"),
        (
            "by_tags",
            T::List(vec![bin("a"), T::Int(1)]),
            "invalid_tags",
        ),
        ("by_tags", bin(""), "invalid_tags"),
        ("by_tags", map([]), "invalid_tags"),
    ] {
        let refused = parse(kind, &selector).expect_err(reason);
        assert_eq!(refused.reason, reason, "{refused}");
    }
}

#[test]
fn what_a_field_can_be_is_taken() {
    let bare = Event::new("s", "t");
    let tagged = Event::new("s", "t").tags(&["a"]);
    for (field, value) in [
        ("event_type", op("in", T::List(vec![T::Int(1), bin("t")]))),
        ("event_type", op("ne", T::Int(1))),
        ("event_id", op("eq", bin("e1"))),
        ("version", op("in", T::List(vec![bin("1"), T::Int(7)]))),
        ("version", op("gt", T::Float(6.5))),
        ("tags", atom("undefined")),
        ("data_content_type", bin("application/json")),
        ("stream_id", atom("_")),
        ("data", map([])),
    ] {
        let pattern = map([(atom(field), value)]);
        assert!(matches("by_event_pattern", pattern, &bare), "{field}");
    }
    for value in [
        bin("a"),
        op("eq", T::List(vec![bin("a")])),
        op("ne", atom("undefined")),
    ] {
        let pattern = map([(atom("tags"), value)]);
        assert!(matches("by_event_pattern", pattern, &tagged));
    }
}

#[test]
fn where_the_events_are() {
    let access = |kind, selector: T, check: fn(Access<'_>) -> bool| {
        let selector = parse(kind, &selector).unwrap();
        assert!(check(selector.access()), "{:?}", selector.access());
    };
    access("by_stream", bin("$all"), |a| a == Access::All);
    access("by_stream", bin("$a"), |a| a == Access::Stream(b"a"));
    access("by_event_pattern", bin("a"), |a| a == Access::Stream(b"a"));
    access("by_event_pattern", bin("a*"), |a| a == Access::All);
    access("by_event_type", bin("t"), |a| {
        a == Access::Types(vec![b"m\0\0\0\x01t"])
    });
    access("by_tags", bin("t"), |a| a == Access::Tags(vec![b"t"]));
    access("by_event_payload", map([]), |a| a == Access::All);
    let all = map([
        (atom("event_type"), bin("t")),
        (atom("tags"), T::List(vec![bin("b"), bin("a")])),
    ]);
    access("by_event_pattern", all, |a| a == Access::Tags(vec![b"a"]));
    let types = map([(
        atom("event_type"),
        op("in", T::List(vec![bin("u"), atom("t")])),
    )]);
    access("by_event_pattern", types, |a| {
        a == Access::Types(vec![b"m\0\0\0\x01u", b"w\x01t"])
    });
}

#[test]
fn ids_are_the_published_ones() {
    for (kind, selector, name, expected) in [
        ("by_stream", bin("$all"), "all-events", "44668505"),
        ("by_stream", bin("$orders-1"), "sub1", "115747709"),
        (
            "by_event_pattern",
            map([(atom("event_type"), bin("x"))]),
            "p",
            "52310129",
        ),
        (
            "by_tags",
            T::List(vec![bin("a"), bin("b")]),
            "t",
            "54331071",
        ),
    ] {
        let (kind, selector, name) = (atom(kind).bytes(), selector.bytes(), bin(name).bytes());
        let term = |bytes| Term::parse(bytes).unwrap();
        let id = subscription_id(term(&kind), term(&selector), term(&name));
        assert_eq!(id, expected);
    }
}
