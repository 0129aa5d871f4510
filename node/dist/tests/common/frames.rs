//! Frames made by hand, one of each sort.

use esdb_etf::{Pid, Reference, put};
use std::sync::Arc;

pub fn pid_of(name: &str, id: u32, creation: u32) -> Pid {
    Pid {
        node: Arc::from(name),
        id,
        serial: 0,
        creation,
    }
}

/// One frame of each sort that a peer can send to the process `to`.
pub fn valid_frames(to: &Pid) -> Vec<Vec<u8>> {
    let from = pid_of("hostile@127.0.0.1", 50, 77);
    let reference = Reference {
        node: from.node.clone(),
        creation: 77,
        words: vec![1, 2, 3],
    };
    let atom = |name: &'static str| move |out: &mut Vec<u8>| put::atom(out, name);
    let number = |n: i64| move |out: &mut Vec<u8>| put::integer(out, n);
    type Part<'a> = &'a dyn Fn(&mut Vec<u8>);
    let (f, t, r): (Part<'_>, Part<'_>, Part<'_>) =
        (&|out| from.put(out), &|out| to.put(out), &|out| {
            reference.put(out)
        });
    let none: Part<'_> = &atom("");
    let name: Part<'_> = &atom("echo");
    let call: Part<'_> = &|out| {
        put::tuple(out, 3);
        put::atom(out, "$gen_call");
        put::tuple(out, 2);
        from.put(out);
        put::list(out, 1);
        put::atom(out, "alias");
        reference.put(out);
        put::integer(out, 1 << 40);
    };
    let mfa: Part<'_> = &|out| {
        put::tuple(out, 3);
        put::atom(out, "erpc");
        put::atom(out, "execute_call");
        put::integer(out, 4);
    };
    let options: Part<'_> = &|out| {
        put::list(out, 2);
        put::atom(out, "link");
        put::atom(out, "monitor");
        put::nil(out);
    };
    let arguments: Part<'_> = &|out| {
        put::list(out, 4);
        reference.put(out);
        put::atom(out, "erlang");
        put::atom(out, "node");
        put::nil(out);
        put::nil(out);
    };
    let sync: Part<'_> = &|out| esdb_dist::pg::message::sync(out, &from, [].into_iter());
    let discover: Part<'_> = &|out| esdb_dist::pg::message::discover(out, &from);
    let scope: Part<'_> = &atom("a_scope");
    let (id, token): (Part<'_>, Part<'_>) = (&number(7), &atom("token"));
    let frames: Vec<(u8, Vec<Part<'_>>, Option<Part<'_>>)> = vec![
        (1, vec![f, t], None),
        (2, vec![none, t], Some(call)),
        (3, vec![f, t, none], None),
        (4, vec![f, t], None),
        (5, vec![], None),
        (6, vec![f, none, name], Some(call)),
        (6, vec![f, none, scope], Some(discover)),
        (6, vec![f, none, scope], Some(sync)),
        (7, vec![f, t], None),
        (8, vec![f, t, none], None),
        (12, vec![none, t, token], Some(call)),
        (13, vec![f, t, token, none], None),
        (16, vec![f, none, name, token], Some(call)),
        (18, vec![f, t, token, none], None),
        (19, vec![f, t, r], None),
        (19, vec![f, name, r], None),
        (20, vec![f, t, r], None),
        (21, vec![f, t, r, none], None),
        (22, vec![f, t], Some(call)),
        (23, vec![f, t, token], Some(call)),
        (24, vec![f, t], Some(none)),
        (25, vec![f, t, token], Some(none)),
        (26, vec![f, t], Some(none)),
        (27, vec![f, t, token], Some(none)),
        (28, vec![f, t, r], Some(none)),
        (29, vec![r, f, f, mfa, options], Some(arguments)),
        (30, vec![r, f, f, mfa, options, token], Some(arguments)),
        (31, vec![r, f, id, none], None),
        (32, vec![r, f, id, none, token], None),
        (33, vec![f, r], Some(call)),
        (34, vec![f, r, token], Some(call)),
        (35, vec![id, f, t], None),
        (36, vec![id, f, t], None),
    ];
    let write = |(operation, parts, message): (u8, Vec<Part<'_>>, Option<Part<'_>>)| {
        let mut out = vec![112, 131];
        put::tuple(&mut out, parts.len() + 1);
        put::integer(&mut out, i64::from(operation));
        parts.iter().for_each(|part| part(&mut out));
        if let Some(message) = message {
            out.push(131);
            message(&mut out);
        }
        out
    };
    frames.into_iter().map(write).collect()
}
