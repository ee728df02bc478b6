//! One command's view of the mailbox: its config, its paths, its door to the host.

use crate::engine::cx::Cx;
use crate::engine::event::Level;
use crate::engine::lock;
use crate::engine::op::Op;
use crate::protocol::address::Address;
use crate::protocol::config::{AgentKey, Config};
use crate::protocol::identity::Identity;
use crate::protocol::layout::{AgentHome, Place, RelPath, Root};
use crate::protocol::text;
use crate::protocol::time::Day;
use crate::sync::Mailbox;

use super::error::Error;

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

/// Reads the config, before the folders that it names can be opened. `agent` is `$AGENTAZALL_AGENT`.
#[must_use]
pub fn open(config_file: RelPath, agent: Option<String>) -> Op<Opened, Error> {
    Op::start(move |cx| async move {
        let place = Place::new(Root::Config, config_file);
        let (mut config, found) = match cx.read(&place).await? {
            Some(bytes) => (Config::parse(&bytes).map_err(|error| error.in_file(&place.to_string()))?, true),
            None => {
                let name = format!("agent-{}@localhost", text::hex(&cx.random::<4>().await?));
                let key = text::hex(&cx.random::<16>().await?);
                (Config::fresh(&name, &key)?, false)
            }
        };
        for warning in config.warnings() {
            cx.emit(Level::Warning, format!("{place}: {warning}"));
        }
        if let Some(agent) = agent.filter(|agent| !agent.is_empty()) {
            config.override_agent(&agent)?;
        }
        Ok(Opened { config, found })
    })
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
            Root::Shared => format!("{}/../shared/{}", self.mailboxes_shown, place.path),
        }
    }

    /// Makes sure that there is a config and that this mailbox is this config's. Every command that touches the mailbox
    /// begins with it; the very first one makes the config, so that it already works.
    ///
    /// # Errors
    /// [`Error::ForeignMailbox`] when the agent's key file holds another key than the config.
    pub async fn enter(&mut self) -> Result<(), Error> {
        if !self.found {
            self.create_config().await?;
            let welcome = format!("Welcome! Configured as {} ({})", self.address(), self.config_shown);
            self.cx.emit(Level::Info, welcome);
        }
        self.check_agent_key().await
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

    /// Changes the config under the mailbox lock: what is on disk is read again, changed and written, so that two commands
    /// at once lose nothing.
    ///
    /// # Errors
    /// What `change` says; a config that cannot be read or written.
    pub async fn change_config<T>(
        &mut self,
        change: impl FnOnce(&mut Config) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (cx, lock) = (self.cx.clone(), self.home.lock());
        let (config, value) = lock::locked(&cx, &lock, || async {
            let mut config = match cx.read(&self.config_place).await? {
                Some(bytes) => Config::parse(&bytes).map_err(|error| error.in_file(&self.config_shown))?,
                None => self.config.clone(),
            };
            let value = change(&mut config)?;
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
        let place = self.home.agent_key();
        match self.cx.read(&place).await? {
            Some(bytes) => {
                let file = AgentKey::parse(&bytes).map_err(|error| error.in_file(&self.shown(&place)))?;
                if file.matches(self.config.agent_key()) { Ok(()) } else { Err(Error::ForeignMailbox { place }) }
            }
            None => self.write_agent_key().await,
        }
    }

    /// Writes the agent's key file from the config.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn write_agent_key(&self) -> Result<(), Error> {
        let key = AgentKey::of(&self.config, &self.cx.now().local_text());
        self.cx.write_private(&self.home.agent_key(), key.to_json()).await?;
        Ok(())
    }

    /// The agent's key pair; made, durably and once, if there is none.
    ///
    /// # Errors
    /// A key file that is damaged: it is never replaced, since peers know the agent by it.
    pub async fn identity(&self) -> Result<Identity, Error> {
        let place = self.home.identity_key();
        for _ in 0..2 {
            if let Some(bytes) = self.cx.read(&place).await? {
                return Identity::parse(&bytes)
                    .map_err(|source| Error::Identity { path: self.shown(&place), source });
            }
            let identity = Identity::from_seed(self.cx.random::<32>().await?);
            let created = identity.to_json(&self.cx.now().local_iso());
            if self.cx.create(&place, created, true).await? {
                return Ok(identity);
            }
        }
        Err(Error::IdentityRace { path: self.shown(&place) })
    }

    /// What the delivery cycle works on.
    #[must_use]
    pub fn mailbox(&self) -> Mailbox<'_> {
        Mailbox { cx: &self.cx, config: &self.config, home: &self.home }
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
            let agent = self.config.agent().clone();
            let mut config = Config::parse(&bytes).map_err(|error| error.in_file(&self.config_shown))?;
            config.override_agent(agent.as_str())?;
            self.config = config;
        }
        Ok(())
    }

    /// Today, where the agent is.
    #[must_use]
    pub fn today(&self) -> Day {
        self.cx.now().day()
    }
}
