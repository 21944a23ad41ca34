// Shortens the names of a MicroPython package, so that its .mpy files take less of a board's flash and memory. A name that is compiled is
// stored in each .mpy that has it, and in RAM for ever; one that every MicroPython has anyway is neither. So whatever is the package's own
// and nobody else's business, attributes, globals of a module and parameters, gets such a name. See docs/adr/0008.
//
// What stays: whatever a string somewhere in the package is equal to (getattr, keys), parameters that some call names, classes, names
// that MicroPython's own objects have, all that __init__ and verbs have, which is the public part, and what the files at the root import of each other,
// as these may be of different releases for a moment.
const { parser } = require("../testdata/npm/node_modules/@lezer/python");

// Names with a number of their own in every .mpy (MicroPython, py/makeqstrdata.py), without those that objects are asked for by protocol.
const POOL = `
abs all any append bool bytearray bytes callable chr classmethod clear copy count dict dir divmod end endswith eval exec extend find
format from_bytes getattr globals hasattr hash id index insert int isalpha isdigit isinstance islower isspace issubclass isupper items iter
join keys len list little locals lower lstrip main map micropython object ord pop popitem pow range remove repr reverse rfind rindex round
rsplit rstrip sep set setattr setdefault sort sorted split start startswith staticmethod step stop str strip sum super to_bytes tuple type
update upper values zip ArithmeticError AssertionError AttributeError BaseException EOFError Ellipsis Exception GeneratorExit ImportError
IndentationError IndexError KeyError KeyboardInterrupt LookupError MemoryError NameError NoneType NotImplementedError OSError
OverflowError RuntimeError StopIteration SyntaxError SystemExit TypeError ValueError ZeroDivisionError`.trim().split(/\s+/);

// Names that objects and modules of MicroPython have, and those of a port that the package uses.
const FOREIGN = new Set(`
AF_INET AF_INET6 AF_UNIX ARRAY AUTO BFINT16 BFINT32 BFINT8 BFUINT16 BFUINT32 BFUINT8 BF_LEN BF_POS BIG_ENDIAN BytesIO CERT_NONE CERT_OPTIONAL
CERT_REQUIRED CancelledError DeflateIO EACCES EADDRINUSE EAGAIN EALREADY EBADF ECONNABORTED ECONNREFUSED ECONNRESET EEXIST EHOSTUNREACH EINPROGRESS
EINVAL EIO EISDIR ENOBUFS ENODEV ENOENT ENOMEM ENOTCONN EOPNOTSUPP EPERM ETIMEDOUT Event FLOAT32 FLOAT64 GZIP INT INT16 INT32 INT64 INT8 IOBase
IOQueue LITTLE_ENDIAN LONG LONGLONG Lock Loop MBEDTLS_VERSION MSG_DONTROUTE MSG_DONTWAIT NATIVE OrderedDict POLLERR POLLHUP POLLIN POLLOUT
PROTOCOL_DTLS_CLIENT PROTOCOL_DTLS_SERVER PROTOCOL_TLS_CLIENT PROTOCOL_TLS_SERVER PTR RAW RingIO SHORT SOCK_DGRAM SOCK_RAW SOCK_STREAM SOL_SOCKET
SO_BROADCAST SO_ERROR SO_KEEPALIVE SO_LINGER SO_REUSEADDR SSLContext SingletonGenerator StreamReader StreamWriter StringIO Task TaskQueue
ThreadSafeFlag TimeoutError UINT UINT16 UINT32 UINT64 UINT8 ULONG ULONGLONG USHORT VOID VfsFat VfsLfs1 VfsLfs2 VfsPosix VfsRom ZLIB _attrs _dequeue
_enqueue _exc_handler a2b_base64 accept aclose acos acosh acquire active add addressof aes any append appendleft argv array asin asinh atan atan2
atanh atexit awrite awritestr b2a_base64 bind bytearray_at byteorder bytes_at calcsize call_exception_handler ceil center chdir choice clear clock
close collect compile config connect const copy copysign core cos cosh count crc32 create_task cur_task current_task decode decrypt
default_exception_handler degrees deleter deque difference difference_update digest disable discard disconnect drain dump dumps e enable encode
encrypt endswith erf erfc errno errorcode event exc_info executable exit exp expm1 extend fabs factorial fileno find floor flush fmod format frexp
from_bytes fromhex fromkeys gamma gather get get_ciphers get_event_loop get_exception_handler get_extra_info getaddrinfo getcwd getenv getrandbits
getter getvalue gmtime group heap_lock heap_unlock heapify heappop heappush hex hexlify ilistdir implementation index inet_ntop inet_pton inf init
insert intersection intersection_update ioctl ipoll is_set isalpha isclose isconnected isdigit isdisjoint isenabled isfinite isinf islower isnan
isspace issubset issuperset isupper items join kbd_intr keys ldexp lgamma libc_ver listdir listen load load_cert_chain load_verify_locations loads
localtime locked log log10 log2 lower lstrip makefile match maxsize md5 mem_alloc mem_current mem_free mem_info mem_peak mem_total mkdir mkfs mktime
modf modify modules mount namedtuple nan new_event_loop off on open open_connection opt_level pack pack_into partition path peek pend_throw pi
platform poll pop popitem popleft pow print_exception ps1 ps2 push putenv python_compiler qstr_info queue_read queue_write radians randint random
randrange read readexactly readinto readline readlines recv recvfrom register release remove rename replace request reverse rfind rindex rmdir
rpartition rsplit rstrip run run_forever run_until_complete schedule search seed seek select send sendto sep set set_ciphers set_exception_handler
setblocking setdefault setsockopt setter settime settimeout sha1 sha256 sin sinh sizeof sleep sleep_ms sleep_us sockaddr socket sort split splitlines
sqrt stack_use start_server startswith stat status statvfs stderr stdin stdout stop stream strip struct sub symmetric_difference
symmetric_difference_update sys system tan tanh tau tell threshold throw ticks ticks_add ticks_cpu ticks_diff ticks_ms ticks_us time time_ns to_bytes
trunc umount unhexlify uniform union unlink unpack unpack_from unregister unsetenv update upper urandom value values verify_callback verify_mode
version version_info wait wait_closed wait_for wait_for_ms wait_io_event wrap_socket write`.trim().split(/\s+/));

function* walk(node) {
  yield node;
  for (let c = node.firstChild; c; c = c.nextSibling) yield* walk(c);
}

const children = (node) => {
  const all = [];
  for (let c = node.firstChild; c; c = c.nextSibling) all.push(c);
  return all;
};

// A File is one module: its text, its tree, what it binds, and where each name stands.
class File {
  constructor(name, text) {
    this.name = name;
    this.module = name.replace(/\.py$/, "").replace(/\//g, ".").replace(/\.__init__$/, "");
    this.text = text;
    this.tree = parser.parse(text).topNode;
    this.globals = new Map(); // name: {as, stays}
    this.aliases = new Map(); // name: module of ours that it is bound to, in whatever scope
    this.refuse(name);
  }
  // refuse throws at what this does not rename rightly: it is to be written otherwise.
  refuse(name) {
    const plain = new Set(); // modules that are not the package's own
    for (const n of walk(this.tree)) {
      const no = (why) => { throw new Error(`${name}: ${why}: ${this.of(n.parent || n).split("\n")[0]}`); };
      if (n.type.isError) no("it cannot be read");
      if (n.name === "ImportStatement") {
        if (this.of(n).includes("*")) no("a star would bring names that nobody sees");
        const { module, names } = imports(this, n);
        if (!module) for (const { name: whole, as } of names) if (!/^moult/.test(whole)) plain.add(as ? this.of(as) : whole);
      }
      if (n.name === "ParamList") {
        let value = false;
        for (const c of children(n)) {
          value = c.name === "AssignOp" ? true : this.of(c) === "," ? false : value;
          if (value && c.name === "VariableName") no("a default is to be a constant");
        }
      }
    }
    for (const n of walk(this.tree)) {
      for (const v of bound(this, n)) {
        const base = v.name === "PropertyName" && v.parent.firstChild;
        if (base && base.name === "VariableName" && plain.has(this.of(base))) throw new Error(`${name}: an attribute of another's module is set: ${this.of(n)}`);
      }
    }
  }
  of(node) {
    return this.text.slice(node.from, node.to);
  }
}

// imports reads an import statement: {module, names: [{node, name, as: node or undefined}]}; module is "" for a plain import.
function imports(file, node) {
  const c = children(node);
  let i = 0, module = "";
  if (file.of(c[0]) === "from") {
    for (i = 1; file.of(c[i]) !== "import"; i++) module += file.of(c[i]);
  }
  const names = [];
  for (i++; i < c.length; i++) {
    let name = "", first = c[i];
    for (; i < c.length && ![",", "as", "(", ")"].includes(file.of(c[i])); i++) name += file.of(c[i]);
    if (!name) continue;
    let as;
    if (i < c.length && file.of(c[i]) === "as") as = c[++i];
    names.push({ node: first, name, as });
  }
  return { module, names };
}

// bound yields the nodes that a statement or clause binds as variables, and those of attributes that it sets.
function* bound(file, node) {
  const c = children(node);
  const flat = function* (n) {
    if (n.name === "VariableName") yield n;
    else if (n.name === "MemberExpression" && n.lastChild.name === "PropertyName") yield n.lastChild;
    else if (["TupleExpression", "ArrayExpression", "ParenthesizedExpression"].includes(n.name)) for (const x of children(n)) yield* flat(x);
  };
  switch (node.name) {
    case "AssignStatement": {
      let last = -1;
      c.forEach((n, i) => { if (n.name === "AssignOp") last = i; });
      for (const n of c.slice(0, last)) yield* flat(n);
      break;
    }
    case "UpdateStatement":
      yield* flat(c[0]);
      break;
    case "ForStatement":
    case "ArrayComprehensionExpression":
    case "ComprehensionExpression":
    case "DictionaryComprehensionExpression":
    case "SetComprehensionExpression": {
      let on = false;
      for (const n of c) {
        if (file.of(n) === "for") on = true;
        else if (file.of(n) === "in") on = false;
        else if (on) yield* flat(n);
      }
      break;
    }
    case "WithStatement":
    case "TryStatement":
      for (const n of c) if (n.prevSibling && file.of(n.prevSibling) === "as") yield* flat(n);
      break;
    case "FunctionDefinition":
    case "ClassDefinition":
      yield node.getChild("VariableName");
      break;
    case "ImportStatement":
      for (const { node: n, as } of imports(file, node).names) yield as || n;
      break;
  }
}

const FUNCTIONS = ["FunctionDefinition", "LambdaExpression"];

function parameters(file, fn) {
  const list = fn.getChild("ParamList");
  return list ? children(list).filter((n) => n.name === "VariableName" && !(n.prevSibling && n.prevSibling.name === "AssignOp")) : [];
}

// The scopes of a file: each variable's node is noted with the function that binds it, or null for a global or builtin.
function resolve(file) {
  const scopes = new Map(); // function: {names, globals, parent}
  const within = (node) => {
    for (let n = node.parent; n; n = n.parent) {
      if (FUNCTIONS.includes(n.name)) return n;
      if (n.name === "ClassDefinition") return n;
    }
    return null;
  };
  const id = (n) => (n ? n.from + n.name : "");
  const scope = (n) => {
    if (!scopes.has(id(n))) scopes.set(id(n), { node: n, names: new Set(), global: new Set() });
    return scopes.get(id(n));
  };
  for (const n of walk(file.tree)) {
    if (FUNCTIONS.includes(n.name)) for (const p of parameters(file, n)) scope(n).names.add(file.of(p));
    if (n.name === "ScopeStatement") {
      const c = children(n);
      for (const v of c.slice(1)) if (v.name === "VariableName") scope(within(n)).global.add(file.of(c[0]) + " " + file.of(v));
    }
    for (const v of bound(file, n)) if (v.name === "VariableName") scope(within(n)).names.add(file.of(v));
  }
  file.scopeOf = (v) => {
    const name = file.of(v);
    let first = within(v);
    // The name of a definition is bound outside of it; so is a parameter's default, which the package has only as constants.
    if (["FunctionDefinition", "ClassDefinition"].includes(v.parent.name) && v.parent.getChild("VariableName").from === v.from) first = within(v.parent);
    for (let n = first; n; n = within(n)) {
      const s = scope(n);
      if (n.name === "ClassDefinition" && n !== first) continue;
      if (s.global.has("global " + name)) return null;
      if (s.names.has(name) && !s.global.has("nonlocal " + name)) return n;
    }
    return null;
  };
  file.outermost = (n) => {
    let top = n;
    for (let p = n; p; p = p.parent) if (FUNCTIONS.includes(p.name)) top = p;
    return top;
  };
}

// moduleOf returns the module of ours that an expression stands for, as moult.begin.
function moduleOf(file, node, modules) {
  if (node.name === "VariableName") return file.aliases.get(file.of(node));
  if (node.name !== "MemberExpression") return undefined;
  const whole = moduleOf(file, node.firstChild, modules);
  return whole && modules.get(whole.module + "." + file.of(node.lastChild));
}

// shorten returns the texts of a package's files, by their names, with short names. stay are the modules whose globals all stay.
function shorten(texts, stay) {
  const files = Object.entries(texts).map(([name, text]) => new File(name, text));
  const modules = new Map(files.map((f) => [f.module, f]));
  const shared = new Set(); // attributes of what the files at the root have, which may stand beside the package of another release
  const strings = new Set(), keywords = new Set(), attributes = new Set();
  for (const f of files) {
    resolve(f);
    for (const n of walk(f.tree)) {
      if (n.name === "String") strings.add(f.of(n).replace(/^[a-zA-Z]*("""|"|')|("""|"|')$/g, ""));
      if (n.name === "ArgList") for (const c of children(n)) if (c.name === "AssignOp") keywords.add(f.of(c.prevSibling));
      if (n.name === "ImportStatement") {
        const { module, names } = imports(f, n);
        for (const { name, as } of names) {
          const full = module ? module + "." + name : name;
          if (modules.has(full) && (as || module || !name.includes("."))) f.aliases.set(as ? f.of(as) : name, modules.get(full));
        }
      }
      for (const v of bound(f, n)) {
        const owner = v.name === "PropertyName" ? "attribute" : f.scopeOf(v);
        if (owner === "attribute" || (owner && owner.name === "ClassDefinition")) {
          attributes.add(f.of(v));
          if (stay.includes(f.module)) shared.add(f.of(v));
        }
        else if (owner === null) {
          const old = f.globals.get(f.of(v)) || { stays: false };
          const plain = n.name === "ImportStatement" && !imports(f, n).module && !imports(f, n).names.some((x) => x.as && x.as.from === v.from);
          const constant = n.name === "AssignStatement" && n.lastChild.name === "CallExpression" && f.of(n.lastChild).startsWith("const(");
          old.stays = old.stays || plain || constant || f.of(v) === "const" || n.name === "ClassDefinition" || (stay.includes(f.module) && !f.of(v).startsWith("_"));
          f.globals.set(f.of(v), old);
        }
      }
    }
  }
  for (const f of files) {
    for (const n of walk(f.tree)) {
      for (const v of n.name === "ImportStatement" ? [] : bound(f, n)) {
        if (v.name === "VariableName" && f.aliases.has(f.of(v))) throw new Error(`${f.module}: ${f.of(v)} is a module, and something else: ${f.of(n).split("\n")[0]}`);
      }
    }
  }
  const fixed = (name) => strings.has(name) || name.startsWith("__");
  const attributeAs = new Map();
  let next = 0;
  const uses = new Map();
  for (const f of files) for (const n of walk(f.tree)) if (n.name === "PropertyName") uses.set(f.of(n), (uses.get(f.of(n)) || 0) + 1);
  for (const name of [...attributes].sort((a, b) => (uses.get(b) || 0) - (uses.get(a) || 0) || (a < b ? -1 : 1))) {
    if (fixed(name) || FOREIGN.has(name) || shared.has(name)) continue;
    while (next < POOL.length && (attributes.has(POOL[next]) || uses.has(POOL[next]))) next++;
    let as = POOL[next++];
    while (!as || (next > POOL.length && (attributes.has(as) || uses.has(as)))) as = "a" + (next++ - POOL.length).toString(36);
    attributeAs.set(name, as);
  }
  for (const f of files) {
    const plain = new Set(); // names of variables that stay in this file: locals, builtins, what is imported as it is
    for (const n of walk(f.tree)) if (n.name === "VariableName" && (f.scopeOf(n) !== null || !f.globals.has(f.of(n)))) plain.add(f.of(n));
    let i = 0;
    for (const [name, g] of f.globals) {
      if (g.stays || fixed(name) || POOL.includes(name)) { g.as = name; plain.add(name); }
    }
    for (const [name, g] of f.globals) {
      if (g.as) continue;
      while (i < POOL.length && plain.has(POOL[i])) i++;
      g.as = i < POOL.length ? POOL[i++] : name;
    }
  }
  const out = {};
  files.forEach((f) => {
    const edits = [];
    const put = (node, text) => edits.push([node.from, node.to, text]);
    const variable = new Map(); // node's place: its new name, for variables of functions
    const groups = new Map();
    for (const n of walk(f.tree)) {
      if (n.name !== "FunctionDefinition" || f.outermost(n).from !== n.from) continue;
      groups.set(n.from, n);
    }
    for (const fn of groups.values()) {
      const taken = new Set();
      const params = new Map(); // function's place and name: nodes
      for (const n of walk(fn)) {
        if (n.name !== "VariableName") continue;
        const owner = f.scopeOf(n), name = f.of(n);
        taken.add(owner === null && f.globals.has(name) ? f.globals.get(name).as : name);
      }
      for (const n of walk(fn)) {
        if (n.name !== "FunctionDefinition" || (n.from === fn.from && stay.includes(f.module))) continue; // whom a person may call, with keywords
        for (const p of parameters(f, n)) {
          const name = f.of(p);
          if (name === "self" || keywords.has(name) || POOL.includes(name)) continue;
          params.set(n.from + " " + name, { fn: n, name });
        }
      }
      let i = 0;
      for (const p of params.values()) {
        while (i < POOL.length && taken.has(POOL[i])) i++;
        if (i === POOL.length) continue;
        p.as = POOL[i++];
      }
      for (const n of walk(fn)) {
        if (n.name !== "VariableName") continue;
        const owner = f.scopeOf(n);
        const p = owner && params.get(owner.from + " " + f.of(n));
        if (p && p.as && owner.name === "FunctionDefinition") variable.set(n.from, p.as);
      }
    }
    for (const n of walk(f.tree)) {
      if (n.name === "ImportStatement") {
        const { module, names } = imports(f, n);
        if (f.of(n) === "from micropython import const") { // the compiler knows it
          put(n, "");
          continue;
        }
        for (const { node, name, as } of names) {
          const from = modules.get(module);
          const there = from && from.globals.has(name) ? from.globals.get(name).as : name;
          const here = as ? f.of(as) : name;
          const owner = f.scopeOf(as || node);
          if (!module && !as) continue; // a module of its own name
          const mine = owner === null ? f.globals.get(here).as : here;
          edits.push([node.from, (as || node).to, there === mine && module ? there : `${module ? there : name} as ${mine}`]);
        }
      } else if (n.name === "PropertyName") {
        const alias = moduleOf(f, n.parent.firstChild, modules);
        const name = f.of(n);
        if (alias) {
          if (alias.globals.has(name)) put(n, alias.globals.get(name).as);
        } else if (attributeAs.has(name)) put(n, attributeAs.get(name));
      } else if (n.name === "VariableName") {
        if (n.parent.name === "ImportStatement") continue;
        if (n.parent.name === "ArgList" && n.nextSibling && n.nextSibling.name === "AssignOp") continue; // a keyword
        const owner = f.scopeOf(n), name = f.of(n);
        if (owner && owner.name === "ClassDefinition") {
          if (attributeAs.has(name)) put(n, attributeAs.get(name));
        } else if (variable.has(n.from)) put(n, variable.get(n.from));
        else if (owner === null && f.globals.has(name)) put(n, f.globals.get(name).as);
      }
    }
    edits.sort((a, b) => a[0] - b[0]);
    let text = "", at = 0;
    for (const [from, to, as] of edits) {
      text += f.text.slice(at, from) + as;
      at = to;
    }
    out[f.name] = text + f.text.slice(at);
  });
  return out;
}

module.exports = { shorten, FOREIGN };
