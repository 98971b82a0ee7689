//! Compiling a parsed profile file into a profile that encodes and decodes.

mod abilities;
mod validate;

use alloc::borrow::{Cow, ToOwned};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::abilities::{Abilities, MissingValue, ValuesToEncode};
use super::codec::{Body, Wrapper};
use super::error::{Mistake, Validated, all, both};
use super::file::{
    AdvertDef, File, FrameTable, ImpliedStateDef, LinkRulesDef, Located, ModeDef, RefusalDef, RoleDef,
    StatusDef, TriggerDef, VariantDef,
};
use super::light::{Feature, Features, Light, Mode};
use super::template::Template;
use super::{
    AdvertState, Command, ImpliedState, KeepAlive, LinkRules, Probe, Profile, Query, Refusal, Relative, Role,
    StatusRule, Write,
};

use crate::gatt::WriteKind;

use validate::LONGEST_FRAME;
pub(super) use validate::{validate, validate_limits, validate_name};

/// The names of commands, and the feature that each must set.
const COMMANDS: [(&str, Option<Feature>); 15] = [
    ("on", None),
    ("off", None),
    ("power", Some(Feature::Power)),
    ("brightness", Some(Feature::Brightness)),
    ("color", Some(Feature::Color)),
    ("white", Some(Feature::White)),
    ("kelvin", Some(Feature::Kelvin)),
    ("effect", Some(Feature::Effect)),
    ("speed", Some(Feature::Speed)),
    ("state", None),
    ("toggle", None),
    ("brighter", None),
    ("dimmer", None),
    ("faster", None),
    ("slower", None),
];

pub(crate) fn compile(file: &File, variant: Option<&str>) -> Validated<Profile> {
    let merged;
    let file = match variant.and_then(|name| file.variant.get(name)) {
        None => file,
        Some(_) => {
            merged = with_variant(file, variant.unwrap_or_default())?;
            &merged
        }
    };
    let (abilities, valid) = abilities::compile(&file.can, file.grade);
    // The abilities that are wrong have their defaults, so that the mistakes in frames are found, too.
    both(valid, Compiler { file, abilities }.profile(variant)).map(|((), profile)| profile)
}

fn refusal(rule: &RefusalDef) -> Refusal {
    Refusal { at: rule.at, reason: rule.reason.clone(), data: rule.data.clone() }
}

/// The file with the parts that a variant replaces, after those that it extends.
fn with_variant(file: &File, name: &str) -> Validated<File> {
    let mut merged = file.clone();
    for variant in lineage(file, name)?.into_iter().rev() {
        let variant = variant.clone();
        merged.sources = variant.sources.unwrap_or(merged.sources);
        merged.grade = variant.grade.unwrap_or(merged.grade);
        for without in &variant.without {
            abilities::remove(&mut merged.can, without)?;
            merged.commands.remove(&without.value);
            // A report that carries the feature says nothing to this model.
            let carries = |frame: &Option<Located<String>>| {
                frame.as_ref().is_some_and(|frame| abilities::carries(&frame.value, &without.value))
            };
            merged.report.retain(|report| !carries(&report.value.frame));
        }
        abilities::replace(&mut merged.can, variant.can);
        merged.bytes.extend(variant.bytes);
        merged.role.extend(variant.role);
        merged.commands.extend(variant.commands);
        merged.session = variant.session.unwrap_or(merged.session);
        merged.parts = variant.parts.unwrap_or(merged.parts);
        merged.report = variant.report.unwrap_or(merged.report);
        merged.advert = variant.advert.unwrap_or(merged.advert);
        merged.example = variant.example.unwrap_or(merged.example);
    }
    Ok(merged)
}

/// A variant, the one that it extends, and so on.
pub(super) fn lineage<'a>(file: &'a File, name: &'a str) -> Validated<Vec<&'a VariantDef>> {
    let mut all = Vec::new();
    let mut next = Some((file.name.at, name));
    while let Some((at, name)) = next {
        let variant = file
            .variant
            .get(name)
            .ok_or_else(|| Mistake::new(at, format!("there is no variant {name:?}")))?;
        if all.len() >= file.variant.len() {
            return Err(Mistake::new(at, format!("variant {name:?} extends itself")));
        }
        all.push(&variant.value);
        next = variant.value.extends.as_ref().map(|parent| (parent.at, parent.value.as_str()));
    }
    Ok(all)
}

pub(super) struct Compiler<'a> {
    pub(super) file: &'a File,
    abilities: Abilities,
}

impl Compiler<'_> {
    fn profile(&self, variant: Option<&str>) -> Validated<Profile> {
        let file = self.file;
        let wrapper = match &file.codec {
            None => None,
            Some(name) => Some(Wrapper::named(&name.value).ok_or_else(|| {
                Mistake::new(
                    name.at,
                    format!("there is no codec {:?}; the codecs are: lednetwf, aes-128-ecb", name.value),
                )
            })?),
        };
        let commands = file.commands.iter().flat_map(|(name, frames)| {
            frames.value.iter(frames.at).map(move |(at, frame)| self.command(name, at, frame))
        });
        let mut queries = Vec::new();
        let statuses = file.report.iter().map(|status| self.status(status, &mut queries));
        let frames = both(all(commands), both(all(statuses), self.adverts()));
        let checks = self.checks(|frame| self.fixed(&frame.frame, &frame.to, frame.delay.0, wrapper));
        let writes = both(self.link_rules(&file.session, wrapper), both(checks, self.probe()));
        let ((roles, frames), (link_rules, (checks, probe))) = both(both(self.roles(), frames), writes)?;
        let (commands, (statuses, adverts)) = frames;
        self.validate_usage(&commands)?;
        let definition = variant.and_then(|name| file.variant.get(name)).map(|variant| &variant.value);
        let title = definition.and_then(|variant| variant.title.clone());
        let mut profile = Profile {
            name: file.name.value.clone(),
            variant: variant.map(ToOwned::to_owned),
            title: title.unwrap_or_else(|| file.title.clone()),
            sources: file.sources.clone(),
            grade: file.grade,
            unsupported: definition.and_then(|variant| variant.unsupported.clone()),
            link_rules,
            checks,
            gatt_score: file.gatt.score,
            forbid: file.gatt.forbid.clone(),
            table_suffices: file.gatt.suffices,
            probe,
            refusals: file.gatt.refuse.iter().map(refusal).collect(),
            example: file.example.clone().into(),
            parts: file.parts.iter().map(|part| part.0.clone()).collect(),
            echo_role: file.role.iter().find(|(_, role)| role.value.echo).map(|(name, _)| name.clone()),
            chromatic: commands.iter().any(|command| command.body.chromatic()),
            roles,
            commands,
            queries,
            statuses,
            adverts,
            wrapper,
            abilities: self.abilities.clone(),
        };
        profile.refuse_without_key();
        Ok(profile)
    }

    fn roles(&self) -> Validated<Vec<Role>> {
        if !self.file.role.contains_key("control") {
            return Err(Mistake::new(
                self.file.name.at,
                "there is no [role.control], the characteristic to write commands to",
            ));
        }
        let role = |(name, role): (&String, &Located<RoleDef>)| {
            if role.value.at.is_empty() {
                return Err(Mistake::new(
                    role.at,
                    format!("role {name:?} needs a place in `at`, for example [\"fff0/fff1\"]"),
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
        all(self.file.role.iter().map(role))
    }

    pub(super) fn role(&self, at: usize, name: &str) -> Validated<String> {
        if self.file.role.contains_key(name) {
            return Ok(name.to_owned());
        }
        let known: Vec<_> = self.file.role.keys().map(String::as_str).collect();
        Err(Mistake::new(at, format!("there is no role {name:?}; the roles are: {}", known.join(", "))))
    }

    fn template(&self, at: usize, text: &str) -> Validated<Template> {
        let text = self.with_bytes(at, text)?;
        Template::parse(&text, &self.abilities, self.file.frame_length)
            .map_err(|message| Mistake::new(at, message))
    }

    /// The template of advertised data, which may have any length.
    fn advert_template(&self, frame: &Located<String>) -> Validated<Template> {
        let text = self.with_bytes(frame.at, &frame.value)?;
        Template::parse(&text, &self.abilities, None).map_err(|message| Mistake::new(frame.at, message))
    }

    /// The text of a frame, with the bytes in place of their names.
    fn with_bytes<'t>(&self, at: usize, text: &'t str) -> Validated<Cow<'t, str>> {
        let mut text = Cow::Borrowed(text);
        let mut bytes_added = 0_usize;
        for (name, bytes) in &self.file.bytes {
            let field = format!("{{{name}}}");
            let times = text.matches(&field).count();
            bytes_added = bytes_added.saturating_add(times.saturating_mul(bytes.value.0.len()));
            if bytes_added > LONGEST_FRAME {
                let message = format!("the frame is longer than {LONGEST_FRAME} bytes with {field}");
                return Err(Mistake::new(at, message));
            }
            if times != 0 {
                let words = format!(" {} ", bytes.value.0.join(" "));
                text = Cow::Owned(text.replace(&field, &words));
            }
        }
        Ok(text)
    }

    pub(super) fn body(&self, at: usize, frame: Option<&str>, codec: Option<&str>) -> Validated<Body> {
        match (frame, codec) {
            (Some(text), None) => self.template(at, text).map(Body::Template),
            (None, Some(name)) => Body::named(name).ok_or_else(|| {
                Mistake::new(
                    at,
                    format!("there is no codec {name:?} for frames; the codecs are: hue, govee-burst"),
                )
            }),
            _ => Err(Mistake::new(at, "a frame needs either `frame` or `codec`")),
        }
    }

    fn implied(&self, at: usize, implied: ImpliedStateDef) -> Validated<ImpliedState> {
        if implied.power.is_some() && !self.abilities.declared.contains(Feature::Power) {
            return Err(Mistake::new(at, "means.power needs `power` in [can]"));
        }
        let mode = implied.mode.map(|mode| match mode {
            ModeDef::Color => Mode::Color,
            ModeDef::White => Mode::White,
            ModeDef::Effect => Mode::Effect,
        });
        Ok(ImpliedState { power: implied.power, mode })
    }

    fn command(&self, name: &str, at: usize, frame: &FrameTable) -> Validated<Command> {
        let Some((_, required)) = COMMANDS.iter().find(|(known, _)| *known == name) else {
            let known: Vec<_> = COMMANDS.iter().map(|(name, _)| *name).collect();
            return Err(Mistake::new(
                at,
                format!("there is no command {name:?}; the commands are: {}", known.join(", ")),
            ));
        };
        let body = self.body(at, frame.frame.as_deref(), frame.codec.as_deref())?;
        let mut implied = self.implied(at, frame.means)?;
        if name == "on" || name == "off" {
            if !self.abilities.declared.contains(Feature::Power) {
                return Err(Mistake::new(at, format!("command {name:?} needs `power` in [can]")));
            }
            implied.power = Some(name == "on");
        }
        let only = frame.only.as_deref().map(|name| self.effect(at, name)).transpose()?;
        let mut fields = body.features();
        if only.is_some() {
            fields = fields.with(Feature::Effect);
        }
        let mut features = fields;
        let relative = Relative::named(name);
        if let Some(relative) = relative {
            features = features.with(relative.feature);
        }
        if implied.power.is_some() {
            features = features.with(Feature::Power);
        }
        if self.abilities.scaled && (fields.contains(Feature::Color) || fields.contains(Feature::White)) {
            features = features.with(Feature::Brightness);
        }
        if let Some(feature) = required.filter(|feature| !features.contains(*feature)) {
            return Err(Mistake::new(at, format!("command {name:?} has no field for {feature}")));
        }
        let constant = |text: &str, key: &str| {
            let template = self.template(at, text)?;
            if template.fields().next().is_some() {
                return Err(Mistake::new(at, format!("the frame in `{key}` cannot have fields")));
            }
            Ok(template)
        };
        let before = frame.before.as_deref().map(|text| constant(text, "before")).transpose()?;
        let lead = frame.lead.iter().map(|text| constant(text, "lead")).collect::<Validated<_>>()?;
        let role = self.role(at, frame.to.as_deref().unwrap_or("control"))?;
        Ok(Command {
            before,
            alias: frame.alias,
            needs: body.needs(),
            mode: implied.mode.or_else(|| only.map(|_| Mode::Effect)).or_else(|| body.mode()),
            lead,
            only,
            relative,
            kind: self.write_kind(&role, frame.write),
            body,
            fields,
            features,
            implied,
            role,
            delay: frame.delay.0,
            first: frame.first,
        })
    }

    /// The number of an effect that a frame names.
    fn effect(&self, at: usize, name: &str) -> Validated<u32> {
        self.abilities
            .effect_number(name)
            .ok_or_else(|| Mistake::new(at, format!("there is no effect {name:?} in [can]")))
    }

    /// The kind of a write: of the frame, else of its role, else with a response.
    fn write_kind(&self, role: &str, of_frame: Option<WriteKind>) -> WriteKind {
        let of_role = || self.file.role.get(role).and_then(|role| role.value.write);
        of_frame.or_else(of_role).unwrap_or(WriteKind::Request)
    }

    fn status(&self, status: &Located<StatusDef>, queries: &mut Vec<Query>) -> Validated<StatusRule> {
        let (at, status) = (status.at, &status.value);
        let body = match (&status.frame, &status.codec) {
            (Some(frame), None) => self.body(frame.at, Some(&frame.value), None)?,
            (None, Some(codec)) => self.body(codec.at, None, Some(&codec.value))?,
            _ => return Err(Mistake::new(at, "a [[report]] needs either `frame` or `codec`")),
        };
        let query = match &status.ask {
            None => None,
            Some(text) => Some(self.query(text, &self.role(at, &status.ask_to)?, queries)?),
        };
        if query.is_none() && status.on.is_empty() {
            return Err(Mistake::new(
                at,
                "this [[report]] does not say when the bulb sends it: add `ask` with the frame of a query, or `on` with \
                 \"read\", \"command\", \"change\" or \"maybe\"",
            ));
        }
        let on = |trigger| status.on.contains(&trigger);
        let implied = self.implied(at, status.means)?;
        Ok(StatusRule {
            mode: implied.mode.or_else(|| body.mode()),
            body,
            role: self.role(at, &status.from)?,
            query,
            on_read: on(TriggerDef::Read),
            on_command: on(TriggerDef::Command),
            on_change: on(TriggerDef::Change),
            scaled: status.scaled || self.abilities.scaled,
            implied,
        })
    }

    fn query(&self, text: &Located<String>, role: &str, queries: &mut Vec<Query>) -> Validated<usize> {
        let template = self.template(text.at, &text.value)?;
        if template.fields().next().is_some() {
            return Err(Mistake::new(text.at, "a query cannot have fields"));
        }
        if let Some(known) = queries.iter().position(|known| known.template == template && known.role == role)
        {
            return Ok(known);
        }
        queries.push(Query { template, role: role.to_owned(), kind: self.write_kind(role, None) });
        Ok(queries.len().saturating_sub(1))
    }

    fn adverts(&self) -> Validated<Vec<AdvertState>> {
        let advert = |advert: &Located<AdvertDef>| {
            let (at, advert) = (advert.at, &advert.value);
            if advert.company.is_some() == advert.service_data.is_some() {
                return Err(Mistake::new(at, "[[advert]] needs either `company` or `service_data`"));
            }
            Ok(AdvertState {
                company: advert.company,
                service: advert.service_data.map(|service| service.0),
                template: self.advert_template(&advert.frame)?,
                scaled: advert.scaled || self.abilities.scaled,
                implied: self.implied(at, advert.means)?,
            })
        };
        all(self.file.advert.iter().map(advert))
    }

    /// Checks that a command sets each declared feature.
    fn validate_usage(&self, commands: &[Command]) -> Validated {
        let commanded = commands.iter().map(|command| command.features).fold(Features::NONE, Features::or);
        let unused = self.abilities.declared.less(commanded).iter().map(|feature| {
            let example = if feature == Feature::Power {
                "power = \"55 01 {power}\"".to_owned()
            } else {
                format!("{feature} = \"55 02 {{…}}\"")
            };
            Err(Mistake::new(
                abilities::position(&self.file.can, feature),
                format!(
                    "[can] has {feature}, but no command sets it: add one to [commands], such as {example}"
                ),
            ))
        });
        all::<()>(unused).map(|_| ())
    }

    fn fixed(
        &self,
        frame: &Located<String>,
        role: &str,
        delay: Duration,
        wrapper: Option<Wrapper>,
    ) -> Validated<Write> {
        let role = self.role(frame.at, role)?;
        let template = self.template(frame.at, &frame.value)?;
        let unknown = Light::default();
        let bytes = template.write(&self.abilities, &ValuesToEncode::new(&unknown, false));
        let bytes = bytes.map_err(|missing| {
            let field = match missing {
                MissingValue::Of(feature) => feature.name(),
                MissingValue::Address => "address",
            };
            Mistake::new(frame.at, format!("{{{field}}} has no value here: write a fixed byte instead"))
        })?;
        let bytes = match wrapper {
            None => bytes,
            Some(Wrapper::Aes128(_)) => {
                return Err(Mistake::new(
                    frame.at,
                    "a family whose frames are encrypted cannot have this frame: the key is not known here",
                ));
            }
            Some(wrapper) => wrapper.wrap_command(&bytes, false, 0),
        };
        Ok(Write { kind: self.write_kind(&role, None), role, bytes, delay })
    }

    fn link_rules(&self, rules: &LinkRulesDef, wrapper: Option<Wrapper>) -> Validated<LinkRules> {
        let write = |frame: &Located<String>, to: &str, delay| self.fixed(frame, to, delay, wrapper);
        let first = rules.first.iter().map(|first| write(&first.frame, &first.to, first.delay.0));
        let keep_alive = match &rules.keep_alive {
            None => None,
            Some(keep) if keep.every.0.is_zero() => {
                return Err(Mistake::new(keep.frame.at, "keep_alive.every must not be zero"));
            }
            Some(keep) => {
                Some(KeepAlive { write: write(&keep.frame, &keep.to, Duration::ZERO)?, every: keep.every.0 })
            }
        };
        Ok(LinkRules {
            first: first.collect::<Validated<_>>()?,
            subscribe_first: rules.subscribe_first,
            gap: rules.gap.0,
            keep_alive,
            needs_bonding: rules.needs_bonding,
            pairing_hint: rules.pairing_hint.clone(),
            mtu: rules.mtu,
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
                "a probe needs either `role` (a role to read), or `at` and `text` (a characteristic and its value)",
            )),
        }
    }
}
