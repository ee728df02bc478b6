//! Data to Python's objects: whatever the core can tell, without anything between.
//!
//! The crate `pythonize` does as much, but as a format for people: bytes would come as base64.
//!
//! A long listing repeats the names of its fields thousands of times, so they are made once. Where the caller knows which it wants,
//! not even a dict is made of each row, but a tuple: a [`Table`].

use std::collections::HashMap;
use std::fmt::Display;
use std::rc::Rc;

use azall_bindings::Failure;
use pyo3::IntoPyObjectExt as _;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};
use serde::ser::{self, Serialize, Serializer};

use crate::error::raised;

/// Lists of this name hold maps, each of which becomes a tuple of these fields, with `None` where it lacks one, and with tuples for
/// lists in it.
pub(crate) type Table = (String, Vec<String>);

/// Data as Python's objects: dict, list, str, int, float, bool, None, bytes.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &(impl Serialize + ?Sized)) -> PyResult<Bound<'py, PyAny>> {
    with_tables(py, value, &[])
}

/// The same, with some lists as tables.
pub(crate) fn with_tables<'py>(
    py: Python<'py>,
    value: &(impl Serialize + ?Sized),
    tables: &[Table],
) -> PyResult<Bound<'py, PyAny>> {
    let mut names = Names { py, known: HashMap::new(), tables: Vec::new(), last_row: Vec::new() };
    for (name, columns) in tables {
        let (name, columns) = (names.get(name), columns.iter().map(|column| names.get(column)).collect());
        names.tables.push((name, columns));
    }
    value.serialize(Writer { py, names: &mut names, role: Role::Plain }).map_err(|error| error.0)
}

/// The fields of a table's rows.
type Columns<'py> = Rc<[Bound<'py, PyString>]>;

/// The names of fields, each as one object.
struct Names<'py> {
    py: Python<'py>,
    known: HashMap<String, Bound<'py, PyString>>,
    tables: Vec<(Bound<'py, PyString>, Columns<'py>)>,
    /// The row of a table that was written last.
    last_row: Vec<Bound<'py, PyAny>>,
}

impl<'py> Names<'py> {
    fn get(&mut self, name: &str) -> Bound<'py, PyString> {
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        let new = PyString::new(self.py, name);
        self.known.insert(name.to_owned(), new.clone());
        new
    }

    /// What the value of a field is.
    fn role(&self, name: &Bound<'py, PyAny>) -> Role<'py> {
        let table = self.tables.iter().find(|(table, _)| table.is(name));
        table.map_or(Role::Plain, |(_, columns)| Role::Table(Rc::clone(columns)))
    }
}

/// What is written.
enum Role<'py> {
    /// Anything.
    Plain,
    /// The name of a field.
    Name,
    /// A list of rows.
    Table(Columns<'py>),
    /// A map of which these fields are wanted.
    Row(Columns<'py>),
    /// A value of a row, with the one above it. Where both are the same text, they are one object: a day, a sender.
    Cell(Option<Bound<'py, PyAny>>),
}

/// What went wrong on the way.
#[derive(Debug)]
struct Failed(PyErr);

impl Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Failed {}

impl From<PyErr> for Failed {
    fn from(error: PyErr) -> Self {
        Self(error)
    }
}

impl ser::Error for Failed {
    fn custom<T: Display>(message: T) -> Self {
        Self(Python::attach(|py| raised(py, &Failure::new("data", message))))
    }
}

type Written<'py> = Result<Bound<'py, PyAny>, Failed>;

/// Makes one object.
struct Writer<'a, 'py> {
    py: Python<'py>,
    names: &'a mut Names<'py>,
    role: Role<'py>,
}

impl<'py> Writer<'_, 'py> {
    /// For a part of what is written.
    fn part(&mut self, role: Role<'py>) -> Writer<'_, 'py> {
        Writer { py: self.py, names: self.names, role }
    }

    fn object(self, value: impl IntoPyObject<'py, Error: Into<PyErr>>) -> Written<'py> {
        value.into_bound_py_any(self.py).map_err(Failed)
    }

    /// A dict of one entry, as a variant with something in it is told.
    fn tagged(py: Python<'py>, variant: Option<&Bound<'py, PyString>>, value: Bound<'py, PyAny>) -> Written<'py> {
        let Some(variant) = variant else { return Ok(value) };
        let tagged = PyDict::new(py);
        tagged.set_item(variant, value)?;
        Ok(tagged.into_any())
    }
}

fn is_text(object: &Bound<'_, PyAny>, text: &str) -> bool {
    object.cast::<PyString>().is_ok_and(|object| object.to_str().is_ok_and(|object| object == text))
}

/// The numbers and such that are written as they are.
macro_rules! as_they_are {
    ($($name:ident: $kind:ty),* $(,)?) => {
        $(fn $name(self, value: $kind) -> Written<'py> {
            self.object(value)
        })*
    };
}

impl<'a, 'py> Serializer for Writer<'a, 'py> {
    type Ok = Bound<'py, PyAny>;
    type Error = Failed;
    type SerializeSeq = Items<'a, 'py>;
    type SerializeTuple = Items<'a, 'py>;
    type SerializeTupleStruct = Items<'a, 'py>;
    type SerializeTupleVariant = Items<'a, 'py>;
    type SerializeMap = Fields<'a, 'py>;
    type SerializeStruct = Fields<'a, 'py>;
    type SerializeStructVariant = Fields<'a, 'py>;

    as_they_are! {
        serialize_bool: bool,
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
        serialize_f32: f32, serialize_f64: f64,
        serialize_char: char,
    }

    fn serialize_str(self, text: &str) -> Written<'py> {
        Ok(match self.role {
            Role::Name => self.names.get(text).into_any(),
            Role::Cell(Some(above)) if is_text(&above, text) => above,
            _ => PyString::new(self.py, text).into_any(),
        })
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Written<'py> {
        Ok(PyBytes::new(self.py, bytes).into_any())
    }

    fn serialize_none(self) -> Written<'py> {
        Ok(self.py.None().into_bound(self.py))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Written<'py> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Written<'py> {
        self.serialize_none()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Written<'py> {
        self.serialize_none()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Written<'py> {
        Ok(self.names.get(variant).into_any())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Written<'py> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Written<'py> {
        let (py, variant) = (self.py, self.names.get(variant));
        Self::tagged(py, Some(&variant), value.serialize(self)?)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Items<'a, 'py>, Failed> {
        Ok(Items { writer: self, made: Vec::with_capacity(len.unwrap_or(0).min(MOST_FORESEEN)), variant: None })
    }

    fn serialize_tuple(self, len: usize) -> Result<Items<'a, 'py>, Failed> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Items<'a, 'py>, Failed> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Items<'a, 'py>, Failed> {
        let variant = self.names.get(variant);
        Ok(Items { variant: Some(variant), ..self.serialize_seq(Some(len))? })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Fields<'a, 'py>, Failed> {
        let made = match &self.role {
            Role::Row(columns) => {
                Made::Row(Rc::clone(columns), vec![self.py.None().into_bound(self.py); columns.len()])
            }
            _ => Made::Dict(PyDict::new(self.py)),
        };
        Ok(Fields { made, name: None, variant: None, writer: self })
    }

    fn serialize_struct(self, _: &'static str, len: usize) -> Result<Fields<'a, 'py>, Failed> {
        self.serialize_map(Some(len))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Fields<'a, 'py>, Failed> {
        let variant = self.names.get(variant);
        Ok(Fields { variant: Some(variant), ..self.serialize_map(Some(len))? })
    }

    /// As in every other form of plain data: bytes stay bytes.
    fn is_human_readable(&self) -> bool {
        false
    }
}

/// Room for so many items is made at once, whatever a list says of its length.
const MOST_FORESEEN: usize = 1 << 16;

/// A list on its way.
struct Items<'a, 'py> {
    writer: Writer<'a, 'py>,
    made: Vec<Bound<'py, PyAny>>,
    variant: Option<Bound<'py, PyString>>,
}

impl<'py> Items<'_, 'py> {
    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
        let role = match &self.writer.role {
            Role::Table(columns) => Role::Row(Rc::clone(columns)),
            Role::Cell(_) => Role::Cell(None),
            _ => Role::Plain,
        };
        self.made.push(value.serialize(self.writer.part(role))?);
        Ok(())
    }

    fn finish(self) -> Written<'py> {
        let Writer { py, role, .. } = self.writer;
        let made = match role {
            Role::Cell(_) => PyTuple::new(py, self.made)?.into_any(),
            _ => PyList::new(py, self.made)?.into_any(),
        };
        Writer::tagged(py, self.variant.as_ref(), made)
    }
}

/// A map on its way.
struct Fields<'a, 'py> {
    writer: Writer<'a, 'py>,
    made: Made<'py>,
    name: Option<Bound<'py, PyAny>>,
    variant: Option<Bound<'py, PyString>>,
}

/// What a map becomes.
enum Made<'py> {
    Dict(Bound<'py, PyDict>),
    Row(Columns<'py>, Vec<Bound<'py, PyAny>>),
}

impl<'py> Fields<'_, 'py> {
    fn add<T: Serialize + ?Sized>(&mut self, name: Bound<'py, PyAny>, value: &T) -> Result<(), Failed> {
        match &mut self.made {
            Made::Dict(dict) => {
                let role = self.writer.names.role(&name);
                dict.set_item(name, value.serialize(self.writer.part(role))?)?;
            }
            Made::Row(columns, cells) => {
                let column = columns.iter().position(|column| column.is(&name));
                if let Some(cell) = column.and_then(|column| cells.get_mut(column)) {
                    let above = column.and_then(|column| self.writer.names.last_row.get(column)).cloned();
                    *cell = value.serialize(self.writer.part(Role::Cell(above)))?;
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Written<'py> {
        let py = self.writer.py;
        let made = match self.made {
            Made::Dict(dict) => dict.into_any(),
            Made::Row(_, cells) => {
                let row = PyTuple::new(py, &cells)?;
                self.writer.names.last_row = cells;
                row.into_any()
            }
        };
        Writer::tagged(py, self.variant.as_ref(), made)
    }
}

/// Lists of every kind are made alike.
macro_rules! lists {
    ($($kind:ident $add:ident),* $(,)?) => {
        $(impl<'py> ser::$kind for Items<'_, 'py> {
            type Ok = Bound<'py, PyAny>;
            type Error = Failed;

            fn $add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
                self.add(value)
            }

            fn end(self) -> Written<'py> {
                self.finish()
            }
        })*
    };
}

lists! {
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field,
}

/// Structs of both kinds are made alike.
macro_rules! structs {
    ($($kind:ident),* $(,)?) => {
        $(impl<'py> ser::$kind for Fields<'_, 'py> {
            type Ok = Bound<'py, PyAny>;
            type Error = Failed;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Failed> {
                let name = self.writer.names.get(name).into_any();
                self.add(name, value)
            }

            fn end(self) -> Written<'py> {
                self.finish()
            }
        })*
    };
}

structs!(SerializeStruct, SerializeStructVariant);

impl<'py> ser::SerializeMap for Fields<'_, 'py> {
    type Ok = Bound<'py, PyAny>;
    type Error = Failed;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, name: &T) -> Result<(), Failed> {
        self.name = Some(name.serialize(self.writer.part(Role::Name))?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failed> {
        self.name.take().map_or(Ok(()), |name| self.add(name, value))
    }

    fn end(self) -> Written<'py> {
        self.finish()
    }
}
