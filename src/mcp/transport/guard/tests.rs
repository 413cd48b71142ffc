use super::*;

fn guard(bound: &str, token: Option<&str>) -> Guard {
    Guard::new(
        bound.parse().unwrap(),
        token.map(str::to_owned),
        &["https://App.example:443/".to_owned()],
        &["Cal.example".to_owned()],
    )
    .unwrap()
}

fn ask(guard: &Guard, headers: &[(&'static str, &str)]) -> Result<(), Refusal> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, value.parse().unwrap());
    }
    guard.check(&Method::POST, &Uri::from_static("/mcp"), &map).map(drop)
}

#[test]
fn only_names_of_this_server_are_hosts() {
    let local = guard("127.0.0.1:80", None);
    for host in [
        "localhost",
        "LOCALHOST:81",
        "127.0.0.1:80",
        "127.9.9.9",
        "[::1]:80",
        "cal.EXAMPLE:9",
    ] {
        assert_eq!(ask(&local, &[("host", host)]), Ok(()), "{host}");
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "192.168.0.7",
        "0.0.0.0",
        "[::2]",
        "a b",
    ] {
        assert_eq!(ask(&local, &[("host", host)]), Err(Refusal::Host), "{host}");
    }
    assert_eq!(ask(&local, &[]), Err(Refusal::Host));
    assert_eq!(
        ask(&local, &[("host", "localhost"), ("host", "evil.example")]),
        Err(Refusal::Host)
    );
}

#[test]
fn a_server_on_other_interfaces_answers_to_its_addresses() {
    assert_eq!(
        ask(&guard("192.168.0.7:80", None), &[("host", "192.168.0.7:80")]),
        Ok(())
    );
    assert_eq!(
        ask(&guard("192.168.0.7:80", None), &[("host", "192.168.0.8:80")]),
        Err(Refusal::Host)
    );
    assert_eq!(ask(&guard("0.0.0.0:80", None), &[("host", "10.0.0.3")]), Ok(()));
    assert_eq!(
        ask(&guard("[::]:80", None), &[("host", "evil.example")]),
        Err(Refusal::Host)
    );
}

/// Whoever is no browser sends none.
#[test]
fn origins_are_the_servers_own_or_listed() {
    let guard = guard("127.0.0.1:80", None);
    for origin in [
        "http://localhost",
        "http://127.0.0.1:80",
        "http://[::1]",
        "https://app.example",
    ] {
        let asked = ask(&guard, &[("host", "localhost"), ("origin", origin)]);
        assert_eq!(asked, Ok(()), "{origin}");
    }
    for origin in STRANGERS.iter().chain(&NEIGHBOURS) {
        let asked = ask(&guard, &[("host", "localhost"), ("origin", origin)]);
        assert_eq!(asked, Err(Refusal::Origin), "{origin}");
    }
    assert_eq!(ask(&guard, &[("host", "localhost")]), Ok(()));
}

/// Pages of other programs on this machine.
const NEIGHBOURS: [&str; 4] = [
    "http://localhost:6274",
    "https://127.0.0.1",
    "http://[::1]:1",
    "http://127.0.0.1:8080",
];
const STRANGERS: [&str; 10] = [
    "null",
    "",
    "http://app.example",
    "https://app.example:444",
    "https://app.example.evil.example",
    "http://localhost.evil.example",
    "http://evil.example",
    "file://",
    "http://localhost@evil.example",
    "vscode-webview://localhost",
];

#[test]
fn with_a_token_pages_of_this_machine_may_ask_and_need_it() {
    let guard = guard("127.0.0.1:80", Some("s3cret"));
    for origin in NEIGHBOURS {
        let asked = |token| {
            ask(
                &guard,
                &[("host", "localhost"), ("origin", origin), ("authorization", token)],
            )
        };
        assert_eq!(asked("Bearer s3cret"), Ok(()), "{origin}");
        assert_eq!(asked("Bearer secret"), Err(Refusal::Token), "{origin}");
    }
    for origin in STRANGERS {
        let all = [
            ("host", "localhost"),
            ("origin", origin),
            ("authorization", "Bearer s3cret"),
        ];
        assert_eq!(ask(&guard, &all), Err(Refusal::Origin), "{origin}");
    }
}

#[test]
fn the_token_must_be_the_whole_token() {
    let guard = guard("127.0.0.1:80", Some("s3cret"));
    for value in ["Bearer s3cret", "bearer  s3cret"] {
        let asked = ask(&guard, &[("host", "localhost"), ("authorization", value)]);
        assert_eq!(asked, Ok(()), "{value}");
    }
    for value in [
        "Bearer s3cre",
        "Bearer s3crett",
        "Bearer",
        "Bearer ",
        "s3cret",
        "Basic s3cret",
    ] {
        let asked = ask(&guard, &[("host", "localhost"), ("authorization", value)]);
        assert_eq!(asked, Err(Refusal::Token), "{value}");
    }
    assert_eq!(ask(&guard, &[("host", "localhost")]), Err(Refusal::Token));
}

#[test]
fn an_origin_that_is_none_is_named() {
    for origin in ["app.example", "null", "https://app.example/page", "file:///x"] {
        let made = Guard::new("127.0.0.1:80".parse().unwrap(), None, &[origin.to_owned()], &[]);
        assert_eq!(made.err().map(|bad| bad.origin).as_deref(), Some(origin));
    }
}
