//! One command's view of the mailbox: its config, its paths, its door to the host.

use crate::engine;
use crate::engine::cx::Cx;
use crate::engine::effect::EntryKind;
use crate::engine::event::Level;
use crate::engine::lock;
use crate::engine::op::Op;
use crate::protocol::address::Address;
use crate::protocol::config::{AgentKey, Config, ConfigError, Secret};
use crate::protocol::identity::Identity;
use crate::protocol::layout::{AgentHome, Place, RelPath, Root};
use crate::protocol::text;
use crate::protocol::time::Day;
use crate::sync::Mailbox;
use crate::sync::memo::Memo;

use super::error::Error;
use super::start::NameTaken;

/// The config as it was found, or as it would be made.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The config.
    pub config: Config,
    /// Whether there is a config file. If not, the first command that needs one writes this one.
    pub found: bool,
}

/// What a host knows before a command runs.
#[derive(Clone, Debug)]
pub struct Context {
    /// The config.
    pub opened: Opened,
    /// The config file, below [`Root::Config`].
    pub config_file: RelPath,
    /// The config file's path, as people know it.
    pub config_shown: String,
    /// The mailboxes folder's path, as people know it.
    pub mailboxes_shown: String,
}

/// Reads the config, before the folders that it names can be opened. `agent` is `$AGENTAZALL_AGENT`; where there is no
/// config, the one that is made is this agent's.
#[must_use]
pub fn open(config_file: RelPath, agent: Option<String>) -> Op<Opened, Error> {
    Op::start(move |cx| async move {
        let place = Place::new(Root::Config, config_file);
        let named = Config::agent_of_environment(&agent.unwrap_or_default())
            .map_err(|source| Error::Config { path: place.to_string(), source })?;
        let read = match cx.read(&place).await {
            Ok(read) => read,
            Err(error) => return Err(unreadable(&cx, &place, error).await),
        };
        let (config, found) = match read {
            Some(bytes) => (parse_config(&bytes, &place.to_string())?, true),
            None => {
                // The agent that is asked for by name goes by it in a later command without the variable, too.
                let name = match &named {
                    Some(name) => name.clone(),
                    None => made_up_name(&cx).await?,
                };
                (Config::fresh(&name, &new_agent_key(&cx).await?), false)
            }
        };
        for warning in config.warnings() {
            cx.emit(Level::Warning, format!("{place}: {warning}"));
        }
        let config = config.with_agent(named);
        Ok(Opened { config, found })
    })
}

/// Why a config was not read: what lies in the place of a file, if it is none.
async fn unreadable(cx: &Cx, place: &Place, error: engine::error::Error) -> Error {
    let folder = Place::new(place.root, place.path.parent());
    let entries = cx.list(&folder).await.unwrap_or_default();
    let entry = entries.into_iter().find(|entry| entry.name == place.path.file_name());
    let source = match entry.map(|entry| entry.kind) {
        Some(EntryKind::Folder | EntryKind::LinkedFolder) => ConfigError::Folder,
        Some(EntryKind::Other) => ConfigError::NoRegularFile,
        Some(EntryKind::File) | None => return error.into(),
    };
    Error::Config { path: place.to_string(), source }
}

/// An error of [`open`], which knows the config file's name alone, with its path as people know it.
#[must_use]
pub fn open_error(error: Error, config_shown: &str) -> Error {
    match error {
        Error::Config { source, .. } => Error::Config { path: config_shown.to_owned(), source },
        other => other.located(|_| config_shown.to_owned()),
    }
}

fn parse_config(bytes: &[u8], path: &str) -> Result<Config, Error> {
    Config::parse(bytes).map_err(|source| Error::Config { path: path.to_owned(), source })
}

async fn made_up_name(cx: &Cx) -> Result<Address, Error> {
    Ok(Address::parse(&format!("agent-{}@localhost", text::hex(&cx.random::<4>().await?)))?)
}

/// A new `agent_key`: 32 hex digits.
pub(super) async fn new_agent_key(cx: &Cx) -> Result<Secret, Error> {
    Ok(Secret::new(text::hex(&cx.random::<16>().await?)))
}

/// One command's view of the mailbox.
pub struct Session {
    /// The door to the host.
    pub cx: Cx,
    /// The config.
    pub config: Config,
    /// The agent's paths.
    pub home: AgentHome,
    /// Whether the config file exists.
    pub found: bool,
    config_place: Place,
    /// What this command has found out about relays.
    memo: Memo,
    /// The config file's path, as people know it.
    pub config_shown: String,
    /// The mailboxes folder's path, as people know it.
    pub mailboxes_shown: String,
}

impl Session {
    /// A session of the agent that the config names.
    #[must_use]
    pub fn new(cx: Cx, context: Context) -> Self {
        let home = AgentHome::new(context.opened.config.agent());
        Self {
            cx,
            home,
            config: context.opened.config,
            found: context.opened.found,
            config_place: Place::new(Root::Config, context.config_file),
            memo: Memo::default(),
            config_shown: context.config_shown,
            mailboxes_shown: context.mailboxes_shown,
        }
    }

    /// The agent's address.
    #[must_use]
    pub fn address(&self) -> &Address {
        self.config.agent()
    }

    /// A place's path as people know it, to be printed.
    #[must_use]
    pub fn shown(&self, place: &Place) -> String {
        match place.root {
            Root::Config => self.config_shown.clone(),
            Root::Mailboxes => format!("{}/{}", self.mailboxes_shown, place.path),
            Root::Shared => {
                let above = self.mailboxes_shown.rsplit_once('/').map_or("..", |(above, _)| above);
                format!("{above}/shared/{}", place.path)
            }
        }
    }

    /// An error with the paths in it as people know them.
    #[must_use]
    pub fn located(&self, error: Error) -> Error {
        error.located(|place| self.shown(place))
    }

    /// Makes sure that there is a config and that this mailbox is this config's. Every command that touches the mailbox
    /// begins with it; the very first one makes the config, so that it already works.
    ///
    /// # Errors
    /// [`Error::ForeignMailbox`] when the agent's key file holds another key than the config; [`Error::NameTaken`] when
    /// there is no config yet and the mailbox of the agent that the environment names is another config's.
    pub async fn enter(&mut self) -> Result<(), Error> {
        if !self.found {
            self.check_name_is_free().await?;
            match self.create_config().await {
                Ok(()) => {
                    let welcome = format!("Welcome! Configured as {} ({})", self.address(), self.config_shown);
                    self.cx.emit(Level::Info, welcome);
                }
                // Another first command was faster: its config is as good.
                Err(Error::ConfigRace) => self.take_config_of_another().await?,
                Err(error) => return Err(error),
            }
        }
        if self.config.agent_key().is_none() {
            let key = new_agent_key(&self.cx).await?;
            let shown = self.config_shown.clone();
            let failed = |source| Error::Config { path: shown, source };
            let change = |config: &mut Config| match config.agent_key() {
                Some(_) => Ok(()),
                None => config.set_agent_key(&key),
            };
            self.change_config(change, failed).await?;
        }
        self.check_agent_key().await
    }

    /// Whether a new config can be this agent's: one for a mailbox that another config has made would be of no use. A name
    /// that is made up is nobody's.
    async fn check_name_is_free(&self) -> Result<(), Error> {
        let place = self.home.agent_key();
        if self.config.stand_in().is_none() || self.cx.read(&place).await?.is_none() {
            return Ok(());
        }
        // The config is made before the key file, so it is there by now if another first command made both.
        match self.cx.read(&self.config_place).await? {
            Some(_) => Ok(()),
            None => Err(NameTaken { agent: self.address().to_string(), path: self.shown(&place) }.into()),
        }
    }

    /// An error in the config, with its path.
    #[must_use]
    pub fn config_error(&self, source: ConfigError) -> Error {
        Error::Config { path: self.config_shown.clone(), source }
    }

    /// Writes the config for the first time.
    ///
    /// # Errors
    /// [`Error::ConfigRace`] when somebody else just did.
    pub async fn create_config(&mut self) -> Result<(), Error> {
        if !self.cx.create(&self.config_place, self.config.to_json(), true).await? {
            return Err(Error::ConfigRace);
        }
        self.found = true;
        Ok(())
    }

    /// Goes on with the config that another process has just made.
    async fn take_config_of_another(&mut self) -> Result<(), Error> {
        let bytes = self.cx.read(&self.config_place).await?.ok_or(Error::ConfigRace)?;
        self.config = parse_config(&bytes, &self.config_shown)?.with_agent(self.config.stand_in().cloned());
        self.home = AgentHome::new(self.config.agent());
        self.found = true;
        Ok(())
    }

    /// Writes the config for the first time, changed; false, and nothing is changed, when somebody else just did.
    ///
    /// # Errors
    /// What `change` says; a config that cannot be written.
    pub async fn begin_config(
        &mut self,
        change: impl FnOnce(&mut Config) -> Result<(), ConfigError>,
    ) -> Result<bool, Error> {
        let mut config = self.config.clone();
        change(&mut config).map_err(|source| self.config_error(source))?;
        if !self.cx.create(&self.config_place, config.to_json(), true).await? {
            return Ok(false);
        }
        self.home = AgentHome::new(config.agent());
        self.config = config;
        self.found = true;
        Ok(true)
    }

    /// Changes the config under the mailbox lock: what is on disk is read again, changed and written, so that two commands
    /// at once lose nothing.
    ///
    /// # Errors
    /// What `change` says, through `failed`; a config that cannot be read or written.
    pub async fn change_config<T>(
        &mut self,
        change: impl FnOnce(&mut Config) -> Result<T, ConfigError>,
        failed: impl FnOnce(ConfigError) -> Error,
    ) -> Result<T, Error> {
        let (cx, lock) = (self.cx.clone(), self.home.lock());
        let (config, value) = lock::locked(&cx, &lock, async {
            let mut config = match cx.read(&self.config_place).await? {
                Some(bytes) => parse_config(&bytes, &self.config_shown)?,
                None => self.config.clone(),
            }
            .with_agent(self.config.stand_in().cloned());
            let value = change(&mut config).map_err(failed)?;
            cx.write_private(&self.config_place, config.to_json()).await?;
            Ok::<_, Error>((config, value))
        })
        .await?;
        self.home = AgentHome::new(config.agent());
        self.config = config;
        self.found = true;
        Ok(value)
    }

    /// Compares the agent's key file with the config's key, and makes the file if there is none.
    async fn check_agent_key(&self) -> Result<(), Error> {
        if !self.admit(&self.home).await? {
            // The key file outlives a crash, so the config that it rests on must as well, whoever wrote it.
            self.cx.make_durable(&self.config_place).await?;
            self.write_agent_key().await?;
        }
        Ok(())
    }

    /// Compares the key file of a mailbox with the config's key; `false` when there is no such file.
    ///
    /// # Errors
    /// [`Error::ForeignMailbox`] when it is another agent's.
    pub async fn admit(&self, home: &AgentHome) -> Result<bool, Error> {
        let place = home.agent_key();
        let Some(bytes) = self.cx.read(&place).await? else { return Ok(false) };
        let path = self.shown(&place);
        let file = AgentKey::parse(&bytes).map_err(|source| Error::KeyFile { path: path.clone(), source })?;
        match self.config.agent_key() {
            Some(key) if file.admits(key) => Ok(true),
            _ => Err(Error::ForeignMailbox { path, config: self.config_shown.clone() }),
        }
    }

    /// Writes the agent's key file from the config.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn write_agent_key(&self) -> Result<(), Error> {
        let key = self.config.agent_key().cloned().unwrap_or_default();
        let sharing = self.config.allow_memory_sharing();
        let file = AgentKey::new(self.address().as_str(), key, sharing, self.cx.now());
        self.cx.write_private(&self.home.agent_key(), file.to_json()).await?;
        Ok(())
    }

    /// The agent's key pair; made, durably and once, if there is none.
    ///
    /// # Errors
    /// A key file that is damaged: it is never replaced, since peers know the agent by it.
    pub async fn identity(&self) -> Result<Identity, Error> {
        self.identity_at(&self.home.identity_key()).await
    }

    /// The key pair in this file, as [`Session::identity`].
    ///
    /// # Errors
    /// A key file that is damaged.
    pub async fn identity_at(&self, place: &Place) -> Result<Identity, Error> {
        for _ in 0..2 {
            if let Some(bytes) = self.cx.read(place).await? {
                return Identity::parse(&bytes).map_err(|source| Error::Identity { path: self.shown(place), source });
            }
            let identity = Identity::from_seed(self.cx.random::<32>().await?);
            let file = identity.to_json(&self.cx.now().local_iso());
            if self.cx.create(place, file.as_bytes(), true).await? {
                return Ok(identity);
            }
        }
        Err(Error::IdentityRace { path: self.shown(place) })
    }

    /// What the delivery cycle works on.
    #[must_use]
    pub fn mailbox(&self) -> Mailbox<'_> {
        Mailbox { cx: &self.cx, config: &self.config, home: &self.home, memo: &self.memo }
    }

    /// The days of this mailbox, oldest first.
    ///
    /// # Errors
    /// When the agent's folder cannot be listed.
    pub async fn days(&self) -> Result<Vec<Day>, Error> {
        Ok(self.mailbox().days().await?)
    }

    /// Reads the config again: another command may have changed it.
    ///
    /// # Errors
    /// When it cannot be read; the old one stays.
    pub async fn reload(&mut self) -> Result<(), Error> {
        if let Some(bytes) = self.cx.read(&self.config_place).await? {
            let config = parse_config(&bytes, &self.config_shown)?;
            let agent = (config.agent() != self.config.agent()).then(|| self.config.agent().clone());
            self.config = config.with_agent(agent);
        }
        Ok(())
    }

    /// Reads the config again, as [`Session::reload`]; where that fails, says so and goes on with the old one.
    pub async fn reload_or_tell(&mut self) {
        if let Err(error) = self.reload().await {
            let what = format!("the config cannot be read, the old one is used on: {error}");
            self.cx.emit(Level::Warning, what);
        }
    }

    /// Today, where the agent is.
    #[must_use]
    pub fn today(&self) -> Day {
        self.cx.now().day()
    }
}
