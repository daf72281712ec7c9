#!/usr/bin/env python3
"""Checks deploy/terraform without terraform and without a provider: form, references, and what must never be there.

  tools/check_terraform.py [FOLDER]      deploy/terraform, or another folder
  tools/check_terraform.py --self-test   that each rule finds what it is for

A line that has a good reason to break a rule of contents carries the words "terraform-ok: <reason>".
"""
import pathlib
import re
import sys
import tempfile
from dataclasses import dataclass, field

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "deploy/terraform"
ALLOW = "terraform-ok: "
TOKEN = re.compile(r"""
    (?P<space>[ \t]+) | (?P<comment>(?:\#|//)[^\n]*) | (?P<line>\n)
  | (?P<string>"(?:[^"\\\n]|\\.)*") | (?P<open>[{[(]) | (?P<close>[}\])])
  | (?P<name>[A-Za-z_][A-Za-z0-9_-]*) | (?P<number>[0-9][0-9.]*)
  | (?P<other>=>|==|!=|<=|>=|&&|\|\||\.\.\.|[-=<>!?:.,+*/%&|])
""", re.VERBOSE)
PAIRS = {"}": "{", "]": "[", ")": "("}
FORBIDDEN = [
    (re.compile(r'"(0\.0\.0\.0|::)/0"'), "the whole internet"),
    (re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b"), "an access key"),
    (re.compile(r"dkr\.ecr\.|amazonaws\.com/"), "a registry's host: use the repository's own address"),
    (re.compile(r'"public-read'), "a public bucket"),
    (re.compile(r"-----BEGIN"), "a key"),
    (re.compile(r'\b(password|secret_key|access_key|token)\s*=\s*"[^"$]'), "a secret"),
    (re.compile(r'resources\s*=\s*\[\s*"\*"'), "every resource of the account"),
]
# Resource type, path below it, value: what the mission asks for, and nobody shall take away by accident.
REQUIRED = [
    ("aws_instance", "metadata_options.http_tokens", '"required"'),
    ("aws_instance", "metadata_options.http_put_response_hop_limit", "1"),
    ("aws_instance", "root_block_device.encrypted", "true"),
    ("aws_ebs_volume", "encrypted", "true"),
    ("aws_s3_bucket_versioning", "versioning_configuration.status", '"Enabled"'),
    ("aws_s3_bucket_server_side_encryption_configuration",
     "rule.apply_server_side_encryption_by_default.sse_algorithm", None),
    ("aws_s3_bucket_public_access_block", "block_public_acls", "true"),
    ("aws_s3_bucket_public_access_block", "block_public_policy", "true"),
    ("aws_s3_bucket_public_access_block", "ignore_public_acls", "true"),
    ("aws_s3_bucket_public_access_block", "restrict_public_buckets", "true"),
    ("aws_s3_bucket_lifecycle_configuration",
     "rule.abort_incomplete_multipart_upload.days_after_initiation", None),
    ("aws_s3_bucket_lifecycle_configuration",
     "rule.noncurrent_version_expiration.noncurrent_days", None),
    ("aws_ecr_repository", "image_tag_mutability", '"IMMUTABLE"'),
    ("aws_ecr_repository", "image_scanning_configuration.scan_on_push", "true"),
]
CLOSED = ("ssh_cidr_blocks", "api_cidr_blocks")
BUILT_IN = {"each", "self", "path", "terraform", "count"}


class Wrong(Exception):
    """The text is not what we can read."""


@dataclass
class Block:
    words: list
    line: int
    attributes: dict = field(default_factory=dict)  # name → text of its expression
    blocks: list = field(default_factory=list)

    def at(self, path):
        """Every value at a dotted path through nested blocks."""
        first, _, rest = path.partition(".")
        if not rest:
            return [self.attributes[first]] if first in self.attributes else []
        return [v for block in self.blocks if block.words[0] == first for v in block.at(rest)]


def tokens(text):
    line, at = 1, 0
    while at < len(text):
        found = TOKEN.match(text, at)
        if not found:
            raise Wrong(f"{line}: {text[at:at + 10]!r} is not understood")
        yield found.lastgroup, found[0], line
        line += found[0].count("\n")
        at = found.end()


class Parser:
    def __init__(self, text):
        self.tokens = [t for t in tokens(text) if t[0] not in ("space", "comment")]
        self.at = 0
        self.lines = text.count("\n") + 1

    def peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "", self.lines)

    def take(self):
        one = self.peek()
        self.at += 1
        return one

    def expression(self):
        """Up to the end of the line, over lines inside of brackets."""
        parts, open_ones = [], []
        while True:
            kind, text, line = self.peek()
            if kind == "end" and open_ones:
                raise Wrong(f"{open_ones[-1][1]}: {open_ones[-1][0]} is never closed")
            if not open_ones and (kind in ("line", "end") or text == "}"):
                return " ".join(parts)
            if kind == "open":
                open_ones.append((text, line))
            if kind == "close" and open_ones.pop()[0] != PAIRS[text]:
                raise Wrong(f"{line}: {text} closes something else")
            if kind != "line":
                parts.append(text)
            self.take()

    def body(self, into, depth=0):
        while True:
            kind, text, line = self.take()
            if kind == "line":
                continue
            if kind == "end" or text == "}":
                if (kind == "end") == (depth > 0):
                    raise Wrong(f"{line}: a brace {'is missing' if depth else 'too many'}")
                return into
            if kind != "name":
                raise Wrong(f"{line}: {text!r} where a name must be")
            if self.peek()[1] == "=":
                self.take()
                if text in into.attributes:
                    raise Wrong(f"{line}: {text} is there twice")
                into.attributes[text] = self.expression()
                continue
            block = Block([text], line)
            while self.peek()[0] in ("string", "name"):
                block.words.append(self.take()[1].strip('"'))
            if self.take()[1] != "{":
                raise Wrong(f"{line}: {text} is neither an attribute nor a block")
            into.blocks.append(self.body(block, depth + 1))


def check_form(name, text):
    """As `terraform fmt` writes it: indentation, one space around =, aligned in a row of one-line attributes."""
    if not text.endswith("\n") or text.endswith("\n\n"):
        yield f"{name}: the file does not end with exactly one newline"
    opened, row = [], []

    def aligned():
        width = max((len(key) for _, key, _ in row), default=0)
        for number, key, spaces in row:
            if len(key) + len(spaces) != width + 1:
                yield f"{name}:{number}: the = is not aligned with those around it"
        row.clear()

    for number, line in enumerate(text.splitlines(), 1):
        if "\t" in line or line != line.rstrip():
            yield f"{name}:{number}: a tab, or space at the end"
        bare = [t for t in tokens(line.strip()) if t[0] != "comment"]
        steps = sum((kind == "open") - (kind == "close") for kind, _, _ in bare)
        # Brackets that open on one line indent what follows once, and are closed together.
        closing = max(0, -steps)
        while closing and opened:
            closing, opened[-1] = max(0, closing - opened[-1]), opened[-1] - closing
            if opened[-1] <= 0:
                opened.pop()
        if line.strip() and len(line) - len(line.lstrip()) != 2 * len(opened):
            yield f"{name}:{number}: the indentation is not that of its depth"
        if steps > 0:
            opened.append(steps)
        attribute = re.match(r"\s*([A-Za-z_][A-Za-z0-9_-]*)(\s*)=(?!=)(\s*)", line)
        if attribute and attribute[3] != " ":
            yield f"{name}:{number}: not one space after ="
        if attribute and steps == 0:
            row.append((number, attribute[1], attribute[2]))
        else:
            yield from aligned()
            if attribute and attribute[2] != " ":
                yield f"{name}:{number}: not one space before ="
    yield from aligned()


def inner_texts(expression):
    """The expression without its strings, and what the strings interpolate."""
    strings = re.findall(r'"(?:[^"\\]|\\.)*"', expression)
    yield re.sub(r'"(?:[^"\\]|\\.)*"', " ", expression)
    for text in strings:
        yield from (f" {part} " for part in re.findall(r"\$\{([^}]*)\}", text))


def walk(block, above=""):
    for name, expression in block.attributes.items():
        yield above + name, expression
    for inner in block.blocks:
        yield from walk(inner, f"{above}{inner.words[0]}.")


def check_references(root):
    known = {kind: {b.words[1] for b in root.blocks if b.words[0] == kind} for kind in ("variable", "output")}
    things = {".".join(b.words[1:3]) for b in root.blocks if b.words[0] == "resource"}
    data = {".".join(b.words[1:3]) for b in root.blocks if b.words[0] == "data"}
    local = {name for b in root.blocks if b.words[0] == "locals" for name in b.attributes}
    used = set()
    for block in root.blocks:
        for path, expression in walk(block):
            for text in inner_texts(expression):
                text = re.sub(r"\s*\.\s*", ".", text)
                loops = set(re.findall(r"\bfor (\w+)", text)) | set(re.findall(r"\bfor \w+ , (\w+)", text))
                for reference in re.findall(r"(?<![\w.\])-])([a-z_]\w*(?:\.[a-z_]\w*)+)", text):
                    head, second, *rest = reference.split(".")
                    where = f"{' '.join(block.words)}, {path}: {reference}"
                    if head == "var":
                        used.add(second)
                    missing = (head == "var" and second not in known["variable"]
                               or head == "local" and second not in local
                               or head == "data" and ".".join([second, *rest[:1]]) not in data
                               or head not in {"var", "local", "data"} | BUILT_IN | loops
                               and f"{head}.{second}" not in things)
                    if missing:
                        yield f"{where} is not declared"
    for name in sorted(known["variable"] - used_outside(root)):
        yield f"variable {name}: nothing uses it"


def used_outside(root):
    """Variables that something else than their own validation uses."""
    return {name for block in root.blocks if block.words[0] != "variable"
            for _, expression in walk(block) for name in re.findall(r"\bvar ?\. ?(\w+)", expression)}


def check_variables(root):
    for block in root.blocks:
        if block.words[0] == "output" and not block.attributes.get("description"):
            yield f"output {block.words[1]}: it has no description"
        if block.words[0] != "variable":
            continue
        name = block.words[1]
        for needed in ("description", "type"):
            if not block.attributes.get(needed):
                yield f"variable {name}: it has no {needed}"
        validations = [b for b in block.blocks if b.words[0] == "validation"]
        if not validations:
            yield f"variable {name}: it is not validated"
        for validation in validations:
            if not re.search(rf"\bvar ?\. ?{name}\b", validation.attributes.get("condition", "")):
                yield f"variable {name}: its condition does not look at it"
            if not re.fullmatch(r'"[A-Z].*\."', validation.attributes.get("error_message", "")):
                yield f"variable {name}: its error_message is not a sentence"
        if name in CLOSED and block.attributes.get("default") != "[ ]":
            yield f"variable {name}: it is not empty by default"


def check_contents(root):
    for kind, path, value in REQUIRED:
        blocks = [b for b in root.blocks if b.words[:2] == ["resource", kind]]
        if not blocks:
            yield f"{kind}: there is none"
        for block in blocks:
            values = block.at(path)
            if not values or value is not None and set(values) != {value}:
                yield f"{kind}.{block.words[2]}: {path} is not {value or 'set'}"
    for block in root.blocks:
        if block.words[:2] == ["resource", "aws_vpc_security_group_ingress_rule"]:
            if block.attributes.get("for_each") not in [f"toset ( var . {name} )" for name in CLOSED]:
                yield f"ingress {block.words[2]}: it is not made from one of {', '.join(CLOSED)}"
        if block.words[:2] == ["resource", "aws_security_group"]:
            if any(b.words[0] == "ingress" for b in block.blocks) or "ingress" in block.attributes:
                yield f"security group {block.words[2]}: ingress inside of it"
        if block.words[:2] == ["data", "aws_iam_policy_document"]:
            for statement in block.blocks:
                wild = re.search(r'"\w*:?\*"', statement.attributes.get("actions", ""))
                if wild and statement.attributes.get("effect") != '"Deny"':
                    yield f"policy {block.words[2]}: it allows {wild[0]}"
    backends = [b for t in root.blocks if t.words[0] == "terraform" for b in t.blocks if b.words[0] == "backend"]
    if not backends or backends[0].words[1] == "local" or backends[0].attributes.get("encrypt") != "true":
        yield "terraform: there is no remote state that is encrypted"
    elif set(backends[0].attributes) != {"encrypt"}:
        yield "terraform: the backend's place is in the code instead of backend.hcl"


def check(files):
    """One line for each thing that is wrong; files: name → text."""
    root, readable = Block(["root"], 0), True
    for name, text in sorted(files.items()):
        for number, line in enumerate(text.splitlines(), 1):
            for pattern, what in FORBIDDEN:
                if pattern.search(line) and ALLOW not in line:
                    yield f"{name}:{number}: {what}"
        try:
            parsed = Parser(text).body(Block(["file"], 0))
            yield from check_form(name, text)
        except (Wrong, IndexError) as error:
            yield f"{name}:{error}"
            readable = False
            continue
        if name.endswith(".tf"):
            root.blocks += parsed.blocks
        elif name == "terraform.tfvars.example":
            root.attributes = parsed.attributes
    if not readable:
        return
    seen = set()
    for block in root.blocks:
        key = tuple(block.words)
        if len(key) > 1 and key in seen:
            yield f"{' '.join(key)}: it is there twice"
        seen.add(key)
    yield from check_references(root)
    yield from check_variables(root)
    yield from check_contents(root)
    variables = {b.words[1]: "default" in b.attributes for b in root.blocks if b.words[0] == "variable"}
    for name in sorted(set(root.attributes) - set(variables)):
        yield f"terraform.tfvars.example: there is no variable {name}"
    for name in sorted(n for n, has_default in variables.items() if not has_default and n not in root.attributes):
        yield f"terraform.tfvars.example: {name} is missing and has no default"


def read(folder):
    names = [*folder.glob("*.tf"), *folder.glob("*.example")]
    return {path.name: path.read_text() for path in names}


def self_test():
    good = read(FOLDER)
    assert not list(check(good)), list(check(good))

    def broken(words, name, old, new):
        assert old in good[name], (name, old)
        found = list(check({**good, name: good[name].replace(old, new, 1)}))
        assert any(words in line for line in found), (words, found)

    broken("closes something else", "iam.tf", '"sts:AssumeRole"]', '"sts:AssumeRole"')
    broken("never closed", "outputs.tf", "aws_iam_role.host.arn\n}\n", "(aws_iam_role.host.arn\n")
    broken("brace is missing", "iam.tf", "\n}\n", "\n")
    broken("brace too many", "outputs.tf", "\n}\n", "\n}\n}\n")
    broken("not understood", "outputs.tf", "aws_eip.host", "aws_eip;host")
    broken("there twice", "host.tf", "ebs_optimized          = true", "ami                    = true")
    broken("there twice", "outputs.tf", 'output "bucket"', 'output "region"')
    broken("not aligned", "host.tf", "  ami                    =", "  ami =")
    broken("one space after", "host.tf", "prefix = ", "prefix =  ")
    broken("one space before", "registry.tf", "policy = json", "policy     = json")
    broken("indentation", "storage.tf", "  bucket = var.bucket_name", "    bucket = var.bucket_name")
    broken("a tab", "storage.tf", "  bucket = var.bucket_name", "\tbucket = var.bucket_name")
    broken("exactly one newline", "storage.tf", good["storage.tf"], good["storage.tf"] + "\n")
    broken("var.nothing is not declared", "storage.tf", "var.bucket_name", "var.nothing")
    broken("is not declared", "host.tf", "aws_key_pair.deploy", "aws_key_pair.other")
    broken("is not declared", "host.tf", "data.aws_ami.debian", "data.aws_ami.other")
    broken("is not declared", "host.tf", '"${local.prefix}-data"', '"${local.other}-data"')
    broken("nothing uses it", "storage.tf", "noncurrent_days = var.noncurrent_days", "noncurrent_days = 30")
    broken("no description", "outputs.tf", 'description = "The host\'s instance."\n  value       =', "value =")
    broken("no description", "variables.tf", 'description = "AWS region of everything here."\n  type        =',
           "type =")
    broken("no type", "variables.tf", '\n  type        = string', "")
    broken("does not look at it", "variables.tf", "-[0-9]$\", var.region", "-[0-9]$\", var.name")
    broken("not a sentence", "variables.tf", "or nothing.", "or nothing")
    broken("is not validated", "variables.tf", "  validation {", "  other {")
    broken("not empty by default", "variables.tf", "default     = []", 'default     = ["10.0.0.0/8"]')
    broken("whole internet", "variables.tf", "default     = []", 'default     = ["0.0.0.0/0"]')
    broken("whole internet", "network.tf", " # terraform-ok: egress", "")
    broken("every resource", "iam.tf", " # terraform-ok: this action knows no resources", "")
    broken("an access key", "outputs.tf", "The host's", "AKIA" + "A" * 16)
    broken("a registry's host", "outputs.tf", "The host's", "1.dkr.ecr.x")
    broken("it allows", "iam.tf", '"s3:ListBucket"', '"s3:*"')
    broken("not made from", "network.tf", "toset(var.ssh_cidr_blocks)", 'toset(["10.0.0.0/8"])')
    broken("ingress inside", "network.tf", "  lifecycle {", "  ingress {")
    broken("http_tokens", "host.tf", '"required"', '"optional"')
    broken("versioning", "storage.tf", '    status = "Enabled"\n  }\n}', '    status = "Suspended"\n  }\n}')
    broken("block_public_acls", "storage.tf", "block_public_acls       = true", "block_public_acls       = false")
    broken("abort_incomplete", "storage.tf", "abort_incomplete_multipart_upload", "other")
    broken("no remote state", "versions.tf", 'backend "s3"', 'backend "local"')
    broken("instead of backend.hcl", "versions.tf", "encrypt = true", 'bucket  = "x"\n    encrypt = true')
    broken("no variable", "terraform.tfvars.example", "region ", "regian ")
    broken("has no default", "terraform.tfvars.example", "bucket_name", "name")
    with tempfile.TemporaryDirectory() as empty:
        assert list(check(read(pathlib.Path(empty)))), "an empty folder passes"
    print("the self-test found everything that was broken")


def main(arguments):
    if arguments == ["--self-test"]:
        self_test()
        return 0
    folder = pathlib.Path(arguments[0]) if arguments else FOLDER
    found = list(check(read(folder)))
    for line in found:
        print(line)
    if not found:
        print(f"{folder.name}: form, references and contents are as they must be")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
