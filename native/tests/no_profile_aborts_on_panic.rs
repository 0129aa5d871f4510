//! A panic in a NIF is caught and becomes an error of the calling process. With `panic = "abort"` in a profile of the
//! workspace it would end the whole emulator, whoever's it is.

#[test]
fn no_profile_aborts_on_panic() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let text = std::fs::read_to_string(manifest).expect("the manifest of the workspace");
    let manifest: toml::Table = text.parse().expect("a manifest is TOML");
    let profiles = manifest
        .get("profile")
        .and_then(toml::Value::as_table)
        .expect("it has profiles");
    assert!(profiles.contains_key("release"));
    for (name, profile) in profiles {
        let mut inner = vec![profile];
        inner.extend(
            profile
                .get("package")
                .and_then(toml::Value::as_table)
                .into_iter()
                .flat_map(|all| all.values()),
        );
        for settings in inner {
            assert_ne!(
                settings.get("panic").and_then(toml::Value::as_str),
                Some("abort"),
                "profile {name}"
            );
        }
    }
}
