//! From a profile file, as it is written, to a profile that encodes and decodes.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::abilities;
use super::can::{Can, Lack, Source};
use super::codec::{Body, Wrapper};
use super::error::{Mistake, Validated};
use super::file::{
    File, FrameTable, LinkRulesDef, Located, MeansDef, ModeDef, OccasionDef, ReportDef, RoleDef,
};
use super::light::{Item, Items, Light, Mode};
use super::template::Template;
use super::{
    AdvertState, Command, ImpliedState, KeepAlive, LinkRules, Probe, Profile, Query, Role, StatusRule, Write,
};
use crate::gatt::WriteKind;

/// The names that commands can have, and what each has to be able to say.
const COMMANDS: [(&str, Option<Item>); 10] = [
    ("on", None),
    ("off", None),
    ("power", Some(Item::Power)),
    ("brightness", Some(Item::Brightness)),
    ("color", Some(Item::Color)),
    ("white", Some(Item::White)),
    ("kelvin", Some(Item::Kelvin)),
    ("effect", Some(Item::Effect)),
    ("speed", Some(Item::Speed)),
    ("state", None),
];

/// Compiles a family, or one of its variants.
pub(crate) fn compile(file: &File, variant: Option<&str>) -> Validated<Profile> {
    let merged;
    let file = match variant.and_then(|name| file.variant.get(name)) {
        None => file,
        Some(_) => {
            merged = with_variant(file, variant)?;
            &merged
        }
    };
    let compiler = Compiler { file, can: abilities::compile(&file.can, file.grade)? };
    compiler.profile(variant)
}

/// The file with a variant's parts in the place of its own.
fn with_variant(file: &File, name: Option<&str>) -> Validated<File> {
    let mut merged = file.clone();
    let Some(variant) = name.and_then(|name| file.variant.get(name)) else { return Ok(merged) };
    let variant = variant.value.clone();
    merged.grade = variant.grade.unwrap_or(merged.grade);
    for without in &variant.without {
        abilities::remove(&mut merged.can, without)?;
        merged.commands.remove(&without.value);
    }
    abilities::replace(&mut merged.can, variant.can);
    merged.role.extend(variant.role);
    merged.commands.extend(variant.commands);
    merged.session = variant.session.unwrap_or(merged.session);
    merged.report = variant.report.unwrap_or(merged.report);
    merged.advert = variant.advert.unwrap_or(merged.advert);
    merged.example = variant.example.unwrap_or(merged.example);
    Ok(merged)
}

pub(super) struct Compiler<'a> {
    pub(super) file: &'a File,
    can: Can,
}

impl Compiler<'_> {
    fn profile(self, variant: Option<&str>) -> Validated<Profile> {
        let file = self.file;
        let wrapper = match &file.codec {
            None => None,
            Some(name) => Some(Wrapper::named(&name.value).ok_or_else(|| {
                Mistake::new(name.at, format!("there is no codec {:?}; there is lednetwf", name.value))
            })?),
        };
        let roles = self.roles()?;
        let mut commands = Vec::new();
        for (name, frames) in &file.commands {
            for frame in &frames.value.0 {
                let at = if frame.at == usize::MAX { frames.at } else { frame.at };
                commands.push(self.command(name, at, &frame.value.0)?);
            }
        }
        let mut asks = Vec::new();
        let reports =
            file.report.iter().map(|report| self.report(report, &mut asks)).collect::<Validated<Vec<_>>>()?;
        let adverts = self.adverts()?;
        self.everything_is_used(&commands, &reports, &adverts)?;
        let definition = variant.and_then(|name| file.variant.get(name)).map(|variant| &variant.value);
        let title = definition.and_then(|variant| variant.title.clone());
        Ok(Profile {
            name: file.name.value.clone(),
            variant: variant.map(ToOwned::to_owned),
            title: title.unwrap_or_else(|| file.title.clone()),
            grade: file.grade,
            unsupported: definition.and_then(|variant| variant.unsupported.clone()),
            session: self.session(&file.session, wrapper)?,
            checks: self.checks(|frame| self.fixed(&frame.frame, &frame.to, frame.delay.0, wrapper))?,
            gatt_score: file.gatt.score,
            forbid: file.gatt.forbid.clone(),
            probe: self.probe()?,
            example: file.example.clone().into(),
            chromatic: commands.iter().any(|command| command.body.chromatic()),
            roles,
            commands,
            asks,
            reports,
            adverts,
            wrapper,
            can: self.can,
        })
    }

    fn roles(&self) -> Validated<Vec<Role>> {
        if !self.file.role.contains_key("control") {
            return Err(Mistake::new(
                self.file.name.at,
                "there is no [role.control], which says where commands are written",
            ));
        }
        let role = |(name, role): (&String, &Located<RoleDef>)| {
            if role.value.at.is_empty() {
                return Err(Mistake::new(
                    role.at,
                    format!("role {name:?} is nowhere: `at` needs a place, as [\"fff0/fff1\"]"),
                ));
            }
            Ok(Role {
                name: name.clone(),
                at: role.value.at.clone(),
                properties: role.value.properties.iter().map(|any| any.0).collect(),
                write: role.value.write,
                optional: role.value.optional,
            })
        };
        self.file.role.iter().map(role).collect()
    }

    pub(super) fn role(&self, at: usize, name: &str) -> Validated<String> {
        if self.file.role.contains_key(name) {
            return Ok(name.to_owned());
        }
        let known: Vec<_> = self.file.role.keys().map(String::as_str).collect();
        Err(Mistake::new(at, format!("there is no role {name:?}; there is {}", known.join(", "))))
    }

    fn template(&self, at: usize, text: &str) -> Validated<Template> {
        Template::parse(text, &self.can, self.file.frame_length).map_err(|message| Mistake::new(at, message))
    }

    pub(super) fn body(&self, at: usize, frame: Option<&str>, codec: Option<&str>) -> Validated<Body> {
        match (frame, codec) {
            (Some(text), None) => self.template(at, text).map(Body::Template),
            (None, Some(name)) => Body::named(name).ok_or_else(|| {
                Mistake::new(at, format!("there is no codec {name:?} for a frame; there is hue"))
            }),
            _ => Err(Mistake::new(at, "either `frame` or `codec` is needed")),
        }
    }

    fn means(&self, at: usize, means: MeansDef) -> Validated<ImpliedState> {
        if means.power.is_some() && !self.can.declared.contains(Item::Power) {
            return Err(Mistake::new(at, "means.power needs `power` in [can]"));
        }
        let mode = means.mode.map(|mode| match mode {
            ModeDef::Color => Mode::Color,
            ModeDef::White => Mode::White,
            ModeDef::Effect => Mode::Effect,
        });
        Ok(ImpliedState { power: means.power, mode })
    }

    fn command(&self, name: &str, at: usize, frame: &FrameTable) -> Validated<Command> {
        let Some((_, item)) = COMMANDS.iter().find(|(known, _)| *known == name) else {
            let known: Vec<_> = COMMANDS.iter().map(|(name, _)| *name).collect();
            return Err(Mistake::new(
                at,
                format!("there is no command {name:?}; there are {}", known.join(", ")),
            ));
        };
        let body = self.body(at, frame.frame.as_deref(), frame.codec.as_deref())?;
        let mut means = self.means(at, frame.means)?;
        if name == "on" || name == "off" {
            if !self.can.declared.contains(Item::Power) {
                return Err(Mistake::new(at, format!("command {name:?} needs `power` in [can]")));
            }
            means.power = Some(name == "on");
        }
        let mut items = body.items();
        if means.power.is_some() {
            items = items.with(Item::Power);
        }
        if self.can.scaled && (items.contains(Item::Color) || items.contains(Item::White)) {
            items = items.with(Item::Brightness);
        }
        if let Some(item) = item.filter(|item| !items.contains(*item)) {
            return Err(Mistake::new(at, format!("command {name:?} has no field for {item} in it")));
        }
        let to = self.role(at, frame.to.as_deref().unwrap_or("control"))?;
        Ok(Command { kind: self.kind(&to, frame.write), items, body, means, to, delay: frame.delay.0 })
    }

    /// How a role is written: as was said, as its properties allow, or without an answer.
    fn kind(&self, role: &str, said: Option<WriteKind>) -> WriteKind {
        let role = self.file.role.get(role).map(|role| &role.value);
        said.or_else(|| role.and_then(|role| role.write)).unwrap_or(WriteKind::Request)
    }

    fn report(&self, report: &Located<ReportDef>, asks: &mut Vec<Query>) -> Validated<StatusRule> {
        let (at, report) = (report.at, &report.value);
        let body = match (&report.frame, &report.codec) {
            (Some(frame), None) => self.body(frame.at, Some(&frame.value), None)?,
            (None, Some(codec)) => self.body(codec.at, None, Some(&codec.value))?,
            _ => return Err(Mistake::new(at, "a report needs either `frame` or `codec`")),
        };
        let ask = match &report.ask {
            None => None,
            Some(text) => Some(self.ask(text, &self.role(at, &report.ask_to)?, asks)?),
        };
        if ask.is_none() && report.on.is_empty() {
            return Err(Mistake::new(
                at,
                "nothing says when this report comes: `ask` (the frame that asks for it), or `on` with \"read\", \"command\", \"change\" or \"maybe\"",
            ));
        }
        let on = |occasion| report.on.contains(&occasion);
        let means = self.means(at, report.means)?;
        Ok(StatusRule {
            mode: means.mode.or_else(|| body.mode()),
            body,
            from: self.role(at, &report.from)?,
            ask,
            on_read: on(OccasionDef::Read),
            on_command: on(OccasionDef::Command),
            on_change: on(OccasionDef::Change),
            scaled: report.scaled || self.can.scaled,
            means,
        })
    }

    /// The number of a question: several reports may answer the same.
    fn ask(&self, text: &Located<String>, to: &str, asks: &mut Vec<Query>) -> Validated<usize> {
        let template = self.template(text.at, &text.value)?;
        if template.fields().next().is_some() {
            return Err(Mistake::new(text.at, "a question has no fields in it"));
        }
        if let Some(known) = asks.iter().position(|ask| ask.template == template && ask.to == to) {
            return Ok(known);
        }
        asks.push(Query { template, to: to.to_owned(), kind: self.kind(to, None) });
        Ok(asks.len().saturating_sub(1))
    }

    fn adverts(&self) -> Validated<Vec<AdvertState>> {
        let advert = |advert: &Located<super::file::AdvertDef>| {
            let (at, advert) = (advert.at, &advert.value);
            if advert.company.is_some() == advert.service_data.is_some() {
                return Err(Mistake::new(at, "[[advert]] needs either `company` or `service_data`"));
            }
            Ok(AdvertState {
                company: advert.company,
                service: advert.service_data.map(|service| service.0),
                template: self.template(advert.frame.at, &advert.frame.value)?,
                scaled: advert.scaled || self.can.scaled,
                means: self.means(at, advert.means)?,
            })
        };
        self.file.advert.iter().map(advert).collect()
    }

    /// What `[can]` declares, something has to set or to report.
    fn everything_is_used(
        &self,
        commands: &[Command],
        reports: &[StatusRule],
        adverts: &[AdvertState],
    ) -> Validated {
        let commanded = commands.iter().fold(Items::NONE, |all, command| all.or(command.items));
        let reported = reports.iter().fold(Items::NONE, |all, report| all.or(report.items()));
        let advertised = adverts.iter().fold(Items::NONE, |all, advert| all.or(advert.template.items()));
        let idle = self.can.declared.less(commanded.or(reported).or(advertised));
        match idle.iter().next() {
            None => Ok(()),
            Some(item) => Err(Mistake::new(
                abilities::place(&self.file.can, item),
                format!("[can] has {item}, and no command sets it and no report tells it"),
            )),
        }
    }

    /// A frame that says always the same.
    fn fixed(
        &self,
        frame: &Located<String>,
        to: &str,
        delay: Duration,
        wrapper: Option<Wrapper>,
    ) -> Validated<Write> {
        let to = self.role(frame.at, to)?;
        let bytes = self.template(frame.at, &frame.value)?;
        let nothing = Light::default();
        let bytes =
            bytes.write(&self.can, &Source::new(&nothing, false)).map_err(|Lack::Unknown(item)| {
                Mistake::new(frame.at, format!("nothing is known yet that {{{item}}} could be filled with"))
            })?;
        let bytes = match wrapper {
            None => bytes,
            Some(wrapper) => wrapper.wrap_command(&bytes, false, 0),
        };
        Ok(Write { kind: self.kind(&to, None), role: to, bytes, delay })
    }

    fn session(&self, session: &LinkRulesDef, wrapper: Option<Wrapper>) -> Validated<LinkRules> {
        let write = |frame: &Located<String>, to: &str, delay| self.fixed(frame, to, delay, wrapper);
        let first = session.first.iter().map(|first| write(&first.frame, &first.to, first.delay.0));
        let keep_alive = match &session.keep_alive {
            None => None,
            Some(keep) if keep.every.0.is_zero() => {
                return Err(Mistake::new(keep.frame.at, "keep_alive.every is zero"));
            }
            Some(keep) => {
                Some(KeepAlive { write: write(&keep.frame, &keep.to, Duration::ZERO)?, every: keep.every.0 })
            }
        };
        Ok(LinkRules {
            first: first.collect::<Validated<_>>()?,
            subscribe_first: session.subscribe_first,
            gap: session.gap.0,
            keep_alive,
            needs_bonding: session.needs_bonding,
            pairing_hint: session.pairing_hint.clone(),
            mtu: session.mtu,
        })
    }

    fn probe(&self) -> Validated<Option<Probe>> {
        let Some(probe) = &self.file.probe else { return Ok(None) };
        let (at, probe) = (probe.at, &probe.value);
        match (&probe.role, probe.at, &probe.text) {
            (Some(role), None, None) => {
                let role = self.role(at, role)?;
                Ok(Some(Probe::Role { role, score: probe.score }))
            }
            (None, Some(place), Some(text)) => {
                Ok(Some(Probe::Text { at: place, text: text.clone(), score: probe.score }))
            }
            _ => Err(Mistake::new(
                at,
                "a probe reads a role of this family (`role`), or a place where a text has to be (`at` and `text`)",
            )),
        }
    }
}

/// What is to be checked of a file besides what its variants are made of.
pub(crate) fn check(file: &File) -> Validated {
    if file.profile.value != 1 {
        return Err(Mistake::new(
            file.profile.at,
            format!("this is format {}, and 1 is what this program reads", file.profile.value),
        ));
    }
    name(&file.name)?;
    for variant in file.variant.keys() {
        let at = file.variant.get(variant).map_or(0, |variant| variant.at);
        name(&Located { at, value: variant.clone() })?;
    }
    for rule in &file.matches {
        let (at, rule) = (rule.at, &rule.value);
        let kinds = [
            rule.name.is_some(),
            rule.service.is_some(),
            rule.company.is_some(),
            rule.service_data.is_some(),
        ];
        if kinds.iter().filter(|there| **there).count() != 1 {
            return Err(Mistake::new(
                at,
                "[[match]] needs one of `name`, `service`, `company` and `service_data`",
            ));
        }
        if rule.data.is_some() && rule.company.is_none() && rule.service_data.is_none() {
            return Err(Mistake::new(at, "`data` goes with `company` or `service_data`"));
        }
        if !(1..=100).contains(&rule.score.value) {
            return Err(Mistake::new(rule.score.at, format!("score is {}, not 1 to 100", rule.score.value)));
        }
        if let Some(variant) = &rule.variant
            && !file.variant.contains_key(&variant.value)
        {
            return Err(Mistake::new(variant.at, format!("there is no variant {:?}", variant.value)));
        }
    }
    Ok(())
}

pub(super) fn name(name: &Located<String>) -> Validated {
    let right = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.value.is_empty() && name.value.chars().all(right) {
        return Ok(());
    }
    Err(Mistake::new(name.at, format!("{:?} is no name: small letters, digits and hyphens are", name.value)))
}

/// The variants by name, for messages.
pub(crate) fn variant_names(variants: &BTreeMap<String, Located<super::file::VariantDef>>) -> String {
    let names: Vec<_> = variants.keys().map(String::as_str).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
