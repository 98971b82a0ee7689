//! Puts many changes into one source file, each behind a switch, so that one build has them all.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use anyhow::{Context, Result};
use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{BinOp, Block, Expr, ReturnType, Signature, Type, UnOp};

use super::list::{Genre, Mutant, Place};

/// The function by which the changed code asks whether this change is switched on.
const IS_ON: &str = "crate::mutant_switch::is_on";

/// A file with changes in it.
pub(super) struct Switched {
    pub(super) text: String,
    /// Where each change is in the text, by the bytes, and its number. A change inside another comes after it.
    pub(super) regions: Vec<(Range<usize>, usize)>,
}

/// A text that stands for a range of the source.
struct Edit {
    range: Range<usize>,
    numbers: Vec<usize>,
    pieces: Vec<Piece>,
}

enum Piece {
    Text(String),
    /// A part of the source, with the edits in it.
    Source(Range<usize>),
}

/// Puts these changes of a file, with their numbers, into its text. Leaves out those that cannot be switched, such as
/// changes of constants. A constant function cannot ask the switch, so it becomes a usual one, except those with the
/// names in `constant`.
pub(super) fn switched(
    source: &str,
    mutants: &[(usize, &Mutant)],
    constant: &HashSet<String>,
) -> Result<Switched> {
    let file = syn::parse_file(source).context("the file cannot be parsed")?;
    let mut wanted: HashMap<_, Vec<_>> = HashMap::new();
    for (number, mutant) in mutants {
        wanted.entry((mutant.genre, mutant.span)).or_default().push((*number, mutant.replacement.as_str()));
    }
    let mut finder = Finder { source, wanted, constant, edits: Vec::new() };
    finder.visit_file(&file);
    let mut edits = finder.edits;
    // The outer ones first. The sort is stable: of the same range, the one found first is the outer one. Insertions come
    // before what begins there.
    edits.sort_by_key(|edit| (edit.range.start, !edit.range.is_empty(), std::cmp::Reverse(edit.range.end)));
    let mut switched = Switched { text: String::new(), regions: Vec::new() };
    render(source, 0..source.len(), &edits, &mut switched);
    Ok(switched)
}

/// Appends a range of the source. `edits` are those in it, in order.
fn render(source: &str, range: Range<usize>, edits: &[Edit], to: &mut Switched) {
    let mut at = range.start;
    let mut rest = edits;
    while let Some((edit, after)) = rest.split_first() {
        to.text.push_str(part_of(source, at..edit.range.start));
        at = edit.range.end;
        let inner = if edit.range.is_empty() {
            0
        } else {
            after.iter().take_while(|inner| inner.range.end <= edit.range.end).count()
        };
        let (inner, outer) = after.split_at(inner);
        rest = outer;
        let start = to.text.len();
        let place = to.regions.len();
        for piece in &edit.pieces {
            match piece {
                Piece::Text(text) => to.text.push_str(text),
                Piece::Source(part) => {
                    let (_, from) =
                        inner.split_at(inner.partition_point(|edit| edit.range.start < part.start));
                    let count = from.iter().take_while(|edit| edit.range.end <= part.end).count();
                    render(source, part.clone(), from.split_at(count).0, to);
                }
            }
        }
        let numbers = edit.numbers.iter().map(|number| (start..to.text.len(), *number));
        to.regions.splice(place..place, numbers);
    }
    to.text.push_str(part_of(source, at..range.end));
}

/// Ranges come from the parser, so they are in the source.
fn part_of(source: &str, range: Range<usize>) -> &str {
    source.get(range).unwrap_or_default()
}

/// Finds the places of the changes.
struct Finder<'a> {
    source: &'a str,
    wanted: HashMap<(Genre, Place), Vec<(usize, &'a str)>>,
    constant: &'a HashSet<String>,
    edits: Vec<Edit>,
}

fn text(text: impl Into<String>) -> Piece {
    Piece::Text(text.into())
}

fn part(node: &impl Spanned) -> Piece {
    Piece::Source(node.span().byte_range())
}

impl<'a> Finder<'a> {
    fn wanted(&self, genre: Genre, span: Span) -> Vec<(usize, &'a str)> {
        self.wanted.get(&(genre, Place::of(span))).cloned().unwrap_or_default()
    }

    fn edit(&mut self, range: Range<usize>, numbers: Vec<usize>, pieces: Vec<Piece>) {
        self.edits.push(Edit { range, numbers, pieces });
    }

    /// Replaces the value of a function: returns early. Returns false if it is constant and stays so.
    fn function(&mut self, signature: &Signature, block: &Block) -> bool {
        if let Some(token) = &signature.constness {
            if self.constant.contains(&signature.ident.to_string()) {
                return false;
            }
            self.edit(token.span().byte_range(), Vec::new(), Vec::new());
        }
        let (Some(first), Some(last)) = (block.stmts.first(), block.stmts.last()) else { return true };
        if matches!(&signature.output, ReturnType::Type(_, kind) if matches!(**kind, Type::ImplTrait(_))) {
            // There it would have another type.
            return true;
        }
        let start = first.span().byte_range().start;
        let place = Place { end: Place::of(last.span()).end, ..Place::of(first.span()) };
        for (number, value) in self.wanted.get(&(Genre::FnValue, place)).cloned().unwrap_or_default() {
            let early = format!("if {IS_ON}({number}) {{ return {value}; }} ");
            self.edit(start..start, vec![number], vec![text(early)]);
        }
        true
    }

    fn binary(&mut self, node: &syn::ExprBinary, changes: &[(usize, &str)]) {
        let numbers = changes.iter().map(|(number, _)| *number).collect();
        let operator = part_of(self.source, node.op.span().byte_range());
        let (left, right) = (part(&node.left), part(&node.right));
        let [(number, _), ..] = changes else { return };
        let pieces = match node.op {
            BinOp::Eq(_) | BinOp::Ne(_) => vec![
                text("(("),
                left,
                text(format!(" {operator} ")),
                right,
                text(format!(") != {IS_ON}({number}))")),
            ],
            BinOp::And(_) | BinOp::Or(_) => {
                if has_let(&node.left) || has_let(&node.right) {
                    return;
                }
                let goes_on = if matches!(node.op, BinOp::And(_)) { "!=" } else { "==" };
                let asks = format!("; if left {goes_on} {IS_ON}({number}) {{ ");
                vec![text("({ let left: bool = "), left, text(asks), right, text(" } else { left } })")]
            }
            _ if assigns(node.op) => {
                let mut pieces = vec![text("(")];
                for (number, other) in changes {
                    pieces.push(text(format!("if {IS_ON}({number}) {{ ")));
                    pieces.extend([part(&node.left), text(format!(" {other} ")), part(&node.right)]);
                    pieces.push(text(" } else "));
                }
                pieces.extend([text("{ "), left, text(format!(" {operator} ")), right, text(" })")]);
                pieces
            }
            _ => {
                // Comparisons take references. Both sides are evaluated once, in order.
                let borrows = if compares(node.op) { "&" } else { "" };
                let mut arm = String::new();
                for (number, other) in changes {
                    arm.push_str(&format!("if {IS_ON}({number}) {{ left {other} right }} else "));
                }
                vec![
                    text(format!("(match ({borrows}(")),
                    left,
                    text(format!("), {borrows}(")),
                    right,
                    text(format!(")) {{ (left, right) => {arm}{{ left {operator} right }} }})")),
                ]
            }
        };
        self.edit(node.span().byte_range(), numbers, pieces);
    }

    fn arm(&mut self, arm: &syn::Arm) {
        if let Some((_, guard)) = &arm.guard {
            let changes = self.wanted(Genre::MatchArmGuard, guard.span());
            if changes.is_empty() || has_let(guard) {
                return;
            }
            let switch = |(number, value): &(usize, &str)| match *value {
                "true" => format!(" || {IS_ON}({number})"),
                _ => format!(" && !{IS_ON}({number})"),
            };
            let numbers = changes.iter().map(|(number, _)| *number).collect();
            let mut pieces = vec![text("((".repeat(changes.len())), part(guard)];
            pieces.extend(changes.iter().map(|change| text(format!("){})", switch(change)))));
            self.edit(guard.span().byte_range(), numbers, pieces);
        } else {
            for (number, _) in self.wanted(Genre::MatchArm, arm.span()) {
                let end = arm.pat.span().byte_range().end;
                self.edit(end..end, Vec::new(), vec![text(format!(" if !{IS_ON}({number})"))]);
            }
        }
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_fn(&mut self, node: &'ast syn::ItemFn) {
        if self.function(&node.sig, &node.block) {
            visit::visit_item_fn(self, node);
        }
    }

    fn visit_impl_item_fn(&mut self, node: &'ast syn::ImplItemFn) {
        if self.function(&node.sig, &node.block) {
            visit::visit_impl_item_fn(self, node);
        }
    }

    fn visit_trait_item_fn(&mut self, node: &'ast syn::TraitItemFn) {
        if let Some(block) = &node.default {
            self.function(&node.sig, block);
        }
        visit::visit_trait_item_fn(self, node);
    }

    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}

    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}

    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}

    fn visit_trait_item_const(&mut self, _: &'ast syn::TraitItemConst) {}

    fn visit_expr_binary(&mut self, node: &'ast syn::ExprBinary) {
        let changes = self.wanted(Genre::BinaryOperator, node.op.span());
        self.binary(node, &changes);
        visit::visit_expr_binary(self, node);
    }

    fn visit_expr_unary(&mut self, node: &'ast syn::ExprUnary) {
        for (number, _) in self.wanted(Genre::UnaryOperator, node.op.span()) {
            let operator = if matches!(node.op, UnOp::Not(_)) { "!" } else { "-" };
            let pieces = vec![
                text(format!("(if {IS_ON}({number}) {{ ")),
                part(&node.expr),
                text(format!(" }} else {{ {operator}")),
                part(&node.expr),
                text(" })"),
            ];
            self.edit(node.span().byte_range(), vec![number], pieces);
        }
        visit::visit_expr_unary(self, node);
    }

    fn visit_expr_match(&mut self, node: &'ast syn::ExprMatch) {
        // Without an arm, the compiler may find that the whole match lacks one.
        let changes = node.arms.iter().flat_map(|arm| self.wanted(Genre::MatchArm, arm.span()));
        let numbers: Vec<usize> = changes.map(|(number, _)| number).collect();
        if !numbers.is_empty() {
            self.edit(node.span().byte_range(), numbers, vec![part(node)]);
        }
        visit::visit_expr_match(self, node);
    }

    fn visit_arm(&mut self, node: &'ast syn::Arm) {
        self.arm(node);
        visit::visit_arm(self, node);
    }

    fn visit_expr_struct(&mut self, node: &'ast syn::ExprStruct) {
        if let Some(rest) = &node.rest {
            for pair in node.fields.pairs() {
                let field = pair.value();
                let end = pair.punct().map_or(field.span(), |comma| comma.span());
                let place = Place { end: Place::of(end).end, ..Place::of(field.span()) };
                let changes = self.wanted.get(&(Genre::StructField, place)).cloned().unwrap_or_default();
                for (number, _) in changes {
                    let name = part_of(self.source, field.member.span().byte_range());
                    let kind = part_of(self.source, node.path.span().byte_range());
                    let base = part_of(self.source, rest.span().byte_range());
                    let pieces = vec![
                        text(format!(
                            "{name}: if {IS_ON}({number}) {{ let base: {kind} = {base}; base.{name} }} else {{ "
                        )),
                        part(&field.expr),
                        text(" }"),
                    ];
                    self.edit(field.span().byte_range(), vec![number], pieces);
                }
            }
        }
        visit::visit_expr_struct(self, node);
    }
}

/// Returns true if this condition binds names, which a switch around it would hide.
fn has_let(condition: &Expr) -> bool {
    match condition {
        Expr::Let(_) => true,
        Expr::Binary(binary) if matches!(binary.op, BinOp::And(_) | BinOp::Or(_)) => {
            has_let(&binary.left) || has_let(&binary.right)
        }
        _ => false,
    }
}

fn compares(operator: BinOp) -> bool {
    matches!(operator, BinOp::Lt(_) | BinOp::Le(_) | BinOp::Gt(_) | BinOp::Ge(_))
}

fn assigns(operator: BinOp) -> bool {
    matches!(
        operator,
        BinOp::AddAssign(_)
            | BinOp::SubAssign(_)
            | BinOp::MulAssign(_)
            | BinOp::DivAssign(_)
            | BinOp::RemAssign(_)
            | BinOp::BitAndAssign(_)
            | BinOp::BitOrAssign(_)
            | BinOp::BitXorAssign(_)
            | BinOp::ShlAssign(_)
            | BinOp::ShrAssign(_)
    )
}

/// The code that the changed crate asks. Without a number in the environment it writes down what it is asked.
pub(super) const SWITCH: &str = r#"
#[doc(hidden)]
#[allow(clippy::all, missing_docs)]
pub mod mutant_switch {
    extern crate std;
    use std::io::Write;

    fn number() -> usize {
        static NUMBER: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
        *NUMBER.get_or_init(|| std::env::var("MUTANT").ok().and_then(|text| text.parse().ok()).unwrap_or(0))
    }

    pub fn is_on(number_of_this: usize) -> bool {
        let number = number();
        if number == 0 {
            asked(number_of_this);
        }
        number == number_of_this
    }

    fn asked(number: usize) {
        static ASKED: std::sync::Mutex<std::collections::BTreeSet<usize>> =
            std::sync::Mutex::new(std::collections::BTreeSet::new());
        let Some(path) = std::env::var_os("MUTANTS_ASKED") else { return };
        let Ok(mut asked) = ASKED.lock() else { return };
        if asked.insert(number) {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
            if let Ok(mut file) = file {
                let _ = file.write_all(std::format!("{number}\n").as_bytes());
            }
        }
    }
}
"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn mutant(genre: Genre, source: &str, changed: &str, replacement: &str) -> Mutant {
        let start = source.find(changed).unwrap();
        let place = |at: usize| {
            let before = &source[..at];
            let line = before.matches('\n').count() + 1;
            (line, at - before.rfind('\n').map_or(0, |end| end + 1) + 1)
        };
        let span = Place { start: place(start), end: place(start + changed.len()) };
        Mutant {
            name: changed.to_owned(),
            file: "f.rs".to_owned(),
            span,
            replacement: replacement.to_owned(),
            genre,
        }
    }

    fn text_of(source: &str, mutants: &[Mutant]) -> String {
        let mutants: Vec<_> = mutants.iter().enumerate().map(|(at, mutant)| (at + 1, mutant)).collect();
        let switched = switched(source, &mutants, &HashSet::from(["kept".to_owned()])).unwrap();
        for (range, _) in &switched.regions {
            assert!(switched.text.get(range.clone()).is_some());
        }
        switched.text.replace(IS_ON, "on")
    }

    #[test]
    fn each_kind_of_change_gets_a_switch() {
        let cases = [
            (Genre::FnValue, "fn f() -> u8 { 7 }", "7", "0", "fn f() -> u8 { if on(1) { return 0; } 7 }"),
            (Genre::BinaryOperator, "fn f() { a == b }", "==", "!=", "fn f() { ((a == b) != on(1)) }"),
            (
                Genre::BinaryOperator,
                "fn f() { a && b }",
                "&&",
                "||",
                "fn f() { ({ let left: bool = a; if left != on(1) { b } else { left } }) }",
            ),
            (
                Genre::BinaryOperator,
                "fn f() { a || b }",
                "||",
                "&&",
                "fn f() { ({ let left: bool = a; if left == on(1) { b } else { left } }) }",
            ),
            (
                Genre::BinaryOperator,
                "fn f() { a < b }",
                "<",
                "<=",
                "fn f() { (match (&(a), &(b)) { (left, right) => if on(1) { left <= right } else { left < right } }) }",
            ),
            (
                Genre::BinaryOperator,
                "fn f() { a + b }",
                "+",
                "-",
                "fn f() { (match ((a), (b)) { (left, right) => if on(1) { left - right } else { left + right } }) }",
            ),
            (
                Genre::BinaryOperator,
                "fn f() { a += b; }",
                "+=",
                "-=",
                "fn f() { (if on(1) { a -= b } else { a += b }); }",
            ),
            (
                Genre::FnValue,
                "const fn f() -> u8 { 7 }",
                "7",
                "0",
                " fn f() -> u8 { if on(1) { return 0; } 7 }",
            ),
            (Genre::UnaryOperator, "fn f() { !a }", "!", "", "fn f() { (if on(1) { a } else { !a }) }"),
            (
                Genre::MatchArm,
                "fn f() { match a { 1 => b, _ => c } }",
                "1 => b,",
                "",
                "fn f() { match a { 1 if !on(1) => b, _ => c } }",
            ),
            (
                Genre::MatchArmGuard,
                "fn f() { match a { n if n.b() => c } }",
                "n.b()",
                "false",
                "fn f() { match a { n if ((n.b()) && !on(1)) => c } }",
            ),
            (
                Genre::StructField,
                "fn f() { S { a: b, ..S::new() } }",
                "a: b,",
                "",
                "fn f() { S { a: if on(1) { let base: S = S::new(); base.a } else { b }, ..S::new() } }",
            ),
        ];
        for (genre, source, changed, replacement, expected) in cases {
            assert_eq!(text_of(source, &[mutant(genre, source, changed, replacement)]), expected);
        }
    }

    #[test]
    fn changes_may_be_inside_others() {
        let source = "fn f() -> bool { !(a == b) }";
        let mutants = [
            mutant(Genre::FnValue, source, "!(a == b)", "true"),
            mutant(Genre::UnaryOperator, source, "!", ""),
            mutant(Genre::BinaryOperator, source, "==", "!="),
        ];
        let inner = "(((a == b) != on(3)))";
        let expected = format!(
            "fn f() -> bool {{ if on(1) {{ return true; }} (if on(2) {{ {inner} }} else {{ !{inner} }}) }}"
        );
        assert_eq!(text_of(source, &mutants), expected);
    }

    #[test]
    fn constants_and_conditions_that_bind_are_left() {
        for source in ["const A: u8 = 1 + 2;", "const fn kept() -> u8 { 1 + 2 }", "static A: u8 = 1 + 2;"] {
            assert_eq!(text_of(source, &[mutant(Genre::BinaryOperator, source, "+", "-")]), source);
        }
        let source = "fn f() { if let Some(a) = b && a { c } }";
        assert_eq!(text_of(source, &[mutant(Genre::BinaryOperator, source, "&&", "||")]), source);
    }
}
