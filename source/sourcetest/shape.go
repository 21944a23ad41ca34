package sourcetest

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"time"
)

// CheckShape holds JSON to a documented shape. The file names the page that the shape was taken from, and has for each field
// its kind: "string", "string or null", "integer", "boolean", "time" (RFC 3339), a list of one shape, or an object of shapes.
// A field whose name ends in "?" may be missing; one that the page does not know is an error.
func CheckShape(file string, got []byte) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var documented struct {
		Page  string
		Shape any
	}
	if err := json.Unmarshal(data, &documented); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if documented.Page == "" || documented.Shape == nil {
		return fmt.Errorf("%s: got no page or no shape", file)
	}
	var value any
	if err := json.Unmarshal(got, &value); err != nil {
		return err
	}
	if list, ok := value.([]any); ok {
		if len(list) == 0 {
			return fmt.Errorf("got an empty list, which shows no shape")
		}
		return checkShape("", []any{documented.Shape}, list)
	}
	return checkShape("", documented.Shape, value)
}

func checkShape(at string, shape, got any) error {
	wrong := fmt.Errorf("%s: got %.60v, want %v", at, got, shape)
	switch shape := shape.(type) {
	case string:
		text, isText := got.(string)
		number, isNumber := got.(float64)
		_, isBool := got.(bool)
		_, timeErr := time.Parse(time.RFC3339, text)
		switch {
		case shape == "string" && isText, shape == "string or null" && (isText || got == nil), shape == "boolean" && isBool,
			shape == "integer" && isNumber && number == math.Trunc(number), shape == "time" && isText && timeErr == nil:
			return nil
		}
		return wrong
	case []any:
		list, ok := got.([]any)
		if !ok {
			return wrong
		}
		for i, one := range list {
			if err := checkShape(fmt.Sprintf("%s[%d]", at, i), shape[0], one); err != nil {
				return err
			}
		}
		return nil
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			return wrong
		}
		known := map[string]bool{}
		for name, field := range shape {
			plain := strings.TrimSuffix(name, "?")
			known[plain] = true
			value, there := object[plain]
			if !there && plain == name {
				return fmt.Errorf("%s.%s: got no such field", at, name)
			}
			if there {
				if err := checkShape(at+"."+plain, field, value); err != nil {
					return err
				}
			}
		}
		for name := range object {
			if !known[name] {
				return fmt.Errorf("%s.%s: got a field that is not documented", at, name)
			}
		}
		return nil
	}
	return fmt.Errorf("%s: got the shape %v, which is none", at, shape)
}
