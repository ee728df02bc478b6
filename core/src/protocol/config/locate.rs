//! Where the config file is (PROTOCOL section 3).

/// What the host knows of where the config is. Empty texts count as not given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigEnv {
    /// The path given with `--config`.
    pub flag: Option<String>,
    /// `$AGENTAZALL_CONFIG`: the file.
    pub config: Option<String>,
    /// `$AGENTAZALL_ROOT`: the folder that holds `config.json`.
    pub root: Option<String>,
}

/// The path of the config file: `--config`, else `$AGENTAZALL_CONFIG`, else `$AGENTAZALL_ROOT/config.json`, else
/// `./config.json`. Relative paths in it count from its folder.
#[must_use]
pub fn locate(env: &ConfigEnv) -> String {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let in_root = |root: String| match root.trim_end_matches('/') {
        "" => "/config.json".to_owned(),
        root => format!("{root}/config.json"),
    };
    given(&env.flag)
        .or_else(|| given(&env.config))
        .or_else(|| given(&env.root).map(in_root))
        .unwrap_or_else(|| "./config.json".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_is_given_counts() {
        let some = |text: &str| Some(text.to_owned());
        let mut env = ConfigEnv { flag: some("f.json"), config: some("c.json"), root: some("/r/") };
        assert_eq!(locate(&env), "f.json");
        env.flag = None;
        assert_eq!(locate(&env), "c.json");
        env.config = some("");
        assert_eq!(locate(&env), "/r/config.json");
        env.root = some("/");
        assert_eq!(locate(&env), "/config.json");
        assert_eq!(locate(&ConfigEnv::default()), "./config.json");
    }
}
