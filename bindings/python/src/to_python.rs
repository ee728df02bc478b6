//! Data to Python's objects: whatever the core can tell, without anything between.
//!
//! The crate `pythonize` does as much, but as a format for people: bytes would come as base64.
//!
//! A long listing repeats the names of its fields thousands of times, so they are made once. Where the caller knows which it wants,
//! no dict is made of a row, but at once what the caller makes of it: a [`Table`]. Python's garbage collector, which looks again and
//! again at every dict, list and tuple that stays, then sees none of them.

use std::collections::HashMap;
use std::fmt::Display;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};

use azall_bindings::Failure;
use pyo3::IntoPyObjectExt as _;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};
use serde::ser::{self, Serialize, Serializer};

use crate::error::raised;

/// Lists of this name hold maps, and become what a function makes of an iterator over tuples of these fields: `None` where a map lacks
/// one, and tuples for lists in it.
pub(crate) type Table = (String, Vec<String>, Py<PyAny>);

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
    let mut names = Names::new(py);
    for (name, columns, make) in tables {
        let fields = columns.iter().map(|column| names.get(column)).collect();
        let (name, make) = (names.get(name), make.bind(py).clone());
        names.tables.push((name, Rc::new(Rows { fields, make })));
    }
    value.serialize(Writer { py, names: &mut names, role: Role::Plain }).map_err(|error| error.0)
}

/// How a table's rows are made.
struct Rows<'py> {
    fields: Vec<Bound<'py, PyString>>,
    make: Bound<'py, PyAny>,
}

/// The names of fields, each as one object.
struct Names<'py> {
    py: Python<'py>,
    known: Vec<Name<'py>>,
    places: HashMap<String, usize>,
    /// The place of the name that was asked for last.
    last: usize,
    tables: Vec<(Bound<'py, PyString>, Rc<Rows<'py>>)>,
    /// The fields of the table that is being written, row by row; those that are not there are none.
    cells: Vec<Option<Py<PyAny>>>,
}

struct Name<'py> {
    text: Box<str>,
    object: Bound<'py, PyString>,
    /// The place of the name that came after it last time, as it mostly does again.
    next: usize,
}

impl<'py> Names<'py> {
    fn new(py: Python<'py>) -> Self {
        Self { py, known: Vec::new(), places: HashMap::new(), last: 0, tables: Vec::new(), cells: Vec::new() }
    }

    fn get(&mut self, name: &str) -> Bound<'py, PyString> {
        let guess = self.known.get(self.last).map_or(0, |last| last.next);
        let is_it = self.known.get(guess).is_some_and(|known| *known.text == *name);
        let place = if is_it { guess } else { self.place(name) };
        if let Some(last) = self.known.get_mut(self.last) {
            last.next = place;
        }
        self.last = place;
        self.known.get(place).map_or_else(|| PyString::new(self.py, name), |known| known.object.clone())
    }

    fn place(&mut self, name: &str) -> usize {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let place = self.known.len();
        self.known.push(Name { text: name.into(), object: PyString::new(self.py, name), next: 0 });
        self.places.insert(name.to_owned(), place);
        place
    }

    /// What the value of a field is.
    fn role(&self, name: &Bound<'py, PyAny>) -> Role<'py> {
        let table = self.tables.iter().find(|(table, _)| table.is(name));
        table.map_or(Role::Plain, |(_, rows)| Role::Table(Rc::clone(rows)))
    }
}

/// What is written.
enum Role<'py> {
    /// Anything.
    Plain,
    /// The name of a field.
    Name,
    /// A list of rows.
    Table(Rc<Rows<'py>>),
    /// One of them.
    Row(Rc<Rows<'py>>),
    /// A value of a row, with the place of the one above it. Where both are the same text, they are one object: a day, a sender.
    Cell(Option<usize>),
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
            Role::Cell(Some(above)) => match self.names.cells.get(above) {
                Some(Some(above)) if is_text(above.bind(self.py), text) => above.bind(self.py).clone(),
                _ => PyString::new(self.py, text).into_any(),
            },
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
            Role::Row(rows) => {
                let start = self.names.cells.len();
                self.names.cells.resize_with(start + rows.fields.len(), || None);
                Made::Row(Rc::clone(rows), start)
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
            Role::Table(rows) => Role::Row(Rc::clone(rows)),
            Role::Cell(_) => Role::Cell(None),
            _ => Role::Plain,
        };
        let made = value.serialize(self.writer.part(role))?;
        if !matches!(self.writer.role, Role::Table(_)) {
            self.made.push(made);
        }
        Ok(())
    }

    fn finish(self) -> Written<'py> {
        let Writer { py, role, names } = self.writer;
        let made = match role {
            Role::Cell(_) => PyTuple::new(py, self.made)?.into_any(),
            Role::Table(rows) => {
                let cells = Mutex::new(std::mem::take(&mut names.cells).into_iter());
                rows.make.call1((Tuples { cells, width: rows.fields.len() },))?
            }
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
    /// Nothing of its own: its fields are among the cells of its table, from this one on.
    Row(Rc<Rows<'py>>, usize),
}

impl<'py> Fields<'_, 'py> {
    fn add<T: Serialize + ?Sized>(&mut self, name: Bound<'py, PyAny>, value: &T) -> Result<(), Failed> {
        match &mut self.made {
            Made::Dict(dict) => {
                let role = self.writer.names.role(&name);
                dict.set_item(name, value.serialize(self.writer.part(role))?)?;
            }
            Made::Row(rows, start) => {
                if let Some(field) = rows.fields.iter().position(|field| field.is(&name)) {
                    let at = *start + field;
                    let above = at.checked_sub(rows.fields.len());
                    let made = value.serialize(self.writer.part(Role::Cell(above)))?;
                    if let Some(cell) = self.writer.names.cells.get_mut(at) {
                        *cell = Some(made.unbind());
                    }
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Written<'py> {
        let py = self.writer.py;
        let made = match self.made {
            Made::Dict(dict) => dict.into_any(),
            Made::Row(..) => py.None().into_bound(py),
        };
        Writer::tagged(py, self.variant.as_ref(), made)
    }
}

/// The rows of a table, each as a tuple that is made when its turn comes.
#[pyclass(frozen, module = "azall._core")]
struct Tuples {
    cells: Mutex<std::vec::IntoIter<Option<Py<PyAny>>>>,
    width: usize,
}

#[pymethods]
impl Tuples {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        // Held by nobody else while the interpreter's lock is held.
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if cells.len() < self.width.max(1) {
            return Ok(None);
        }
        let row = cells.by_ref().take(self.width).map(|cell| cell.unwrap_or_else(|| py.None()));
        PyTuple::new(py, row).map(Some)
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
