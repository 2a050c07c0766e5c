(call target: (identifier) @_kind (arguments . (alias) @name) (do_block) (#any-of? @_kind "defmodule" "defimpl")) @def.module
(call target: (identifier) @_kind (arguments . (alias) @name) (do_block) (#eq? @_kind "defprotocol")) @def.protocol
(call target: (identifier) @_kind (arguments . [
    (identifier) @name
    (call target: (identifier) @name)
    (binary_operator left: (call target: (identifier) @name) operator: "when")
    (binary_operator left: (identifier) @name operator: "when")])
  (#any-of? @_kind "def" "defp" "defdelegate" "defguard" "defguardp")) @def.function
(call target: (identifier) @_kind (arguments . [
    (identifier) @name
    (call target: (identifier) @name)
    (binary_operator left: (call target: (identifier) @name) operator: "when")])
  (#any-of? @_kind "defmacro" "defmacrop")) @def.macro
(unary_operator operator: "@" operand: (call target: (identifier) @_type (arguments . (binary_operator left: [(call target: (identifier) @name) (identifier) @name])))
  (#any-of? @_type "type" "typep" "opaque")) @def.type
(unary_operator operator: "@" operand: (call target: (identifier) @_callback (arguments . (binary_operator left: (call target: (identifier) @name))))
  (#any-of? @_callback "callback" "macrocallback")) @def.function

(call target: (identifier) @call
  (#not-any-of? @call "def" "defp" "defmodule" "defmacro" "defmacrop" "defimpl" "defprotocol" "defdelegate" "defstruct" "defguard" "defguardp" "use" "alias" "import" "require" "type" "typep" "spec" "doc" "moduledoc" "callback" "behaviour" "impl" "deprecated" "typedoc" "opaque" "macrocallback" "derive" "dialyzer" "tag"))
(call target: (dot right: (identifier) @call) (arguments))
(call target: (identifier) @_kind (arguments . (alias) @import) (#any-of? @_kind "alias" "import" "require" "use"))
(call target: (identifier) @_kind (arguments . (dot left: (alias) @import)) (#any-of? @_kind "alias" "import" "require" "use"))
(call target: (identifier) @_kind (arguments (keywords (pair value: (alias) @implements))) (#eq? @_kind "defimpl"))
(unary_operator operator: "@" operand: (call target: (identifier) @_behaviour (arguments (alias) @implements)) (#eq? @_behaviour "behaviour"))
(alias) @reference
(unary_operator operator: "@" operand: (call target: (identifier) @_doc (arguments (_) @doc)) (#any-of? @_doc "doc" "moduledoc" "typedoc"))
(unary_operator operator: "@" operand: (call target: (identifier) @_attr) (#any-of? @_attr "doc" "spec" "impl" "deprecated" "typedoc")) @attribute
(comment) @comment
