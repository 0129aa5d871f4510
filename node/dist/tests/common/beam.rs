//! A BEAM node that evaluates what it reads and prints the values.

use super::PATIENCE;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

/// Reads lines of expressions; prints `= Value` or `! {Class, Reason}`. Ends with its input.
const LOOP: &str = r#"
process_flag(trap_exit, true),
(fun Loop(Bindings) ->
    case io:get_line('') of
        Line when is_list(Line) ->
            {ok, Tokens, _} = erl_scan:string(Line),
            {ok, Expressions} = erl_parse:parse_exprs(Tokens),
            Loop(try erl_eval:exprs(Expressions, Bindings) of
                {value, {forget, Name} = Value, More} ->
                    io:format("= ~0tp~n", [Value]), erl_eval:del_binding(Name, More);
                {value, Value, More} -> io:format("= ~0tp~n", [Value]), More
            catch Class:Reason -> io:format("! ~0tp~n", [{Class, Reason}]), Bindings
            end);
        _ -> halt(0)
    end
end)([])."#;

pub struct Beam {
    pub name: String,
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Beam {
    pub fn start(name: &str, epmd_port: u16, cookie: &str, arguments: &[&str]) -> Beam {
        let names = if name.ends_with("@localhost") {
            "-sname"
        } else {
            "-name"
        };
        let mut child = Command::new("erl")
            .args([
                "-noshell",
                "-start_epmd",
                "false",
                names,
                name,
                "-setcookie",
                cookie,
            ])
            .args(["-kernel", "prevent_overlapping_partitions", "false"])
            .args(["+S", "2:2", "+sbwt", "none"])
            .args(arguments)
            .args(["-eval", LOOP])
            .env("ERL_EPMD_PORT", epmd_port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines() {
                let Ok(line) = line else { break };
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let input = child.stdin.take().unwrap();
        let mut beam = Beam {
            name: name.to_owned(),
            child,
            input,
            lines,
        };
        assert_eq!(beam.eval("node()").trim_matches('\''), name);
        beam
    }

    /// The value of the expressions, printed.
    pub fn eval(&mut self, expressions: &str) -> String {
        self.begin(expressions);
        self.end()
    }

    /// Makes a variable free again.
    pub fn forget(&mut self, variable: &str) {
        let forgotten = format!("{{forget,'{variable}'}}");
        assert_eq!(self.eval(&forgotten), forgotten);
    }

    pub fn begin(&mut self, expressions: &str) {
        let line = expressions.replace('\n', " ");
        writeln!(self.input, "{line}.").unwrap();
    }

    pub fn end(&mut self) -> String {
        loop {
            let line = self
                .lines
                .recv_timeout(PATIENCE)
                .expect("the BEAM node answers");
            // Anything else is the node's log.
            match line.split_at_checked(2) {
                Some(("= ", value)) => return value.to_owned(),
                Some(("! ", value)) => return format!("! {value}"),
                _ => {}
            }
        }
    }

    pub fn ping(&mut self, node: &str) -> String {
        self.eval(&format!("net_adm:ping('{node}')"))
    }
}

impl Drop for Beam {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
