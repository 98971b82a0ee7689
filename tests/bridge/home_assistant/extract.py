"""Prints the keys of Home Assistant's MQTT discovery, and its own validators for them, as TOML.

It reads the source of the package and runs none of it, because that needs Python 3.14:

    pip download homeassistant==2026.11.0 --no-deps --ignore-requires-python
    unzip homeassistant-2026.11.0-py3-none-any.whl -d homeassistant-2026.11.0
    python3 extract.py homeassistant-2026.11.0 > schema-2026.11.0.toml
"""

import ast
import json
import re
import sys
from pathlib import Path

ROOT = Path(sys.argv[1]) / "homeassistant"
MQTT = ROOT / "components" / "mqtt"

# Each table of the output: its name, and the schemas that it is made of, each a file and the names of its variables.
TABLES = {
    "device_discovery": [("schemas.py", ["_MQTT_AVAILABILITY_SINGLE_SCHEMA", "_MQTT_AVAILABILITY_LIST_SCHEMA",
                                         "DEVICE_DISCOVERY_SCHEMA"])],
    "device": [("schemas.py", ["_MQTT_DEVICE_INFO_SCHEMA_BASE"])],
    "origin": [("schemas.py", ["MQTT_ORIGIN_INFO_SCHEMA"])],
    "common": [("config.py", ["SCHEMA_BASE"]),
               ("schemas.py", ["_MQTT_AVAILABILITY_SINGLE_SCHEMA", "_MQTT_AVAILABILITY_LIST_SCHEMA",
                               "MQTT_ENTITY_COMMON_SCHEMA", "_COMPONENT_CONFIG_SCHEMA"])],
    "light": [("config.py", ["MQTT_RW_SCHEMA"]), ("light/schema.py", ["MQTT_LIGHT_SCHEMA_SCHEMA"]),
              ("light/schema_json.py", ["PLATFORM_SCHEMA_MODERN_JSON"])],
    "sensor": [("config.py", ["MQTT_RO_SCHEMA"]), ("sensor.py", ["_PLATFORM_SCHEMA_BASE"])],
    "binary_sensor": [("config.py", ["MQTT_RO_SCHEMA"]), ("binary_sensor.py", ["PLATFORM_SCHEMA_MODERN"])],
    "button": [("button.py", ["PLATFORM_SCHEMA_MODERN"])],
}


def parse(file):
    """Parses a file whose `except A, B:` older Pythons do not know."""
    return ast.parse(re.sub(r"except ([\w.]+(?:, [\w.]+)+):", r"except (\1):", file.read_text()))


def constants():
    """The values of constants that are texts, or names of such."""
    values = {}
    sensor = ROOT / "components" / "sensor" / "const.py"
    own = [MQTT / name for name in ["const.py", "sensor.py", "binary_sensor.py", "light/schema.py"]]
    for file in [ROOT / "const.py", sensor, *own]:
        for node in ast.walk(parse(file)):
            target, value = None, None
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                target, value = node.targets[0].id, node.value
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                target, value = node.target.id, node.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                values[target] = value.value
            if isinstance(value, ast.Name) and value.id in values:
                values[target] = values[value.id]
    return values


CONSTANTS = constants()


def keys(node):
    """The keys of the outermost dictionaries: name, whether it is required, validator."""
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values):
            if isinstance(key, ast.Call) and isinstance(key.func, ast.Attribute):
                name = key.args[0]
                name = CONSTANTS[name.id] if isinstance(name, ast.Name) else name.value
                yield name, key.func.attr == "Required", " ".join(ast.unparse(value).split())
        return
    for child in ast.iter_child_nodes(node):
        yield from keys(child)


def variable(file, name):
    for node in ast.walk(parse(MQTT / file)):
        if isinstance(node, ast.Assign) and any(getattr(target, "id", None) == name for target in node.targets):
            return node.value
    raise SystemExit(f"{file} has no {name}")


print("# The keys of Home Assistant's MQTT discovery, with its own validators. Made by extract.py.")
print(f"version = {json.dumps(sys.argv[1].rstrip('/').rsplit('-', 1)[-1])}")
for table, parts in TABLES.items():
    print(f"\n[{table}]")
    found = {}
    for file, names in parts:
        for name in names:
            for key, required, validator in keys(variable(file, name)):
                found[key] = (required, validator)
    for key, (required, validator) in sorted(found.items()):
        need = ", required = true" if required else ""
        print(f"{key} = {{ validator = {json.dumps(validator)}{need} }}")
