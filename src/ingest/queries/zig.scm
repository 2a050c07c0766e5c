(function_declaration name: (identifier) @name) @def.function
(variable_declaration . (identifier) @name (struct_declaration)) @def.struct
(variable_declaration . (identifier) @name (union_declaration)) @def.struct
(variable_declaration . (identifier) @name (opaque_declaration)) @def.struct
(variable_declaration . (identifier) @name (enum_declaration)) @def.enum
(variable_declaration . (identifier) @name (error_set_declaration)) @def.enum
(variable_declaration . (identifier) @name) @def.variable
(container_field name: (identifier) @name) @def.field
(test_declaration (string (string_content) @name)) @def.function

(call_expression function: (identifier) @call)
(call_expression function: (field_expression member: (identifier) @call))
(builtin_function (builtin_identifier) @_import (arguments . (string (string_content) @import)) (#eq? @_import "@import"))
(comment) @comment
