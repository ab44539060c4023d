import "pagelens/trusted";
import "pagelens/element";
