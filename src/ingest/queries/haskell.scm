(data_type name: (name) @name) @def.type
(newtype name: (name) @name) @def.type
(type_synomym name: (name) @name) @def.type
(type_family name: (name) @name) @def.type
(class name: (name) @name) @def.interface
(instance patterns: (type_patterns . (_) @name)) @scope
(data_constructor constructor: (_ name: (constructor) @name)) @def.constructor
(newtype_constructor name: (constructor) @name) @def.constructor
(field name: (field_name (variable) @name)) @def.field
(declarations (function name: (variable) @name) @def.function)
(declarations (bind name: (variable) @name) @def.function)
(class_declarations declaration: (signature name: (variable) @name) @def.function)
(instance_declarations declaration: (function name: (variable) @name) @def.function)
(instance_declarations declaration: (bind name: (variable) @name) @def.function)

(apply function: (variable) @call)
(apply function: (qualified id: (variable) @call))
(infix left_operand: (variable) @reference)
(infix right_operand: (variable) @reference)
(import module: (module) @import)
(instance name: (name) @implements)
(deriving classes: (_ (name) @implements))
(deriving classes: (name) @implements)
(name) @reference
(signature) @attribute
(pragma) @attribute
[(comment) (haddock)] @comment
