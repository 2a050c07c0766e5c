(class name: (_) @name) @def.class
(module name: (_) @name) @def.module
(method name: (_) @name) @def.method
(singleton_method name: (_) @name) @def.method
(assignment left: (constant) @name) @def.constant
(alias name: (_) @name) @def.method
(call method: (identifier) @_attr arguments: (argument_list (simple_symbol) @name) (#match? @_attr "^attr_(reader|writer|accessor)$")) @def.property

(call method: (_) @call)
(call receiver: (constant) @reference)
(call receiver: (scope_resolution) @reference)
(call method: (identifier) @_require arguments: (argument_list . (string (string_content) @import)) (#match? @_require "^(require|require_relative|load)$"))
(superclass (_) @extends)
(call method: (identifier) @_mixin arguments: (argument_list [(constant) (scope_resolution)] @implements) (#match? @_mixin "^(include|extend|prepend)$"))
(comment) @comment
