import { Reader } from "./reader.jsx";

export default () => <Reader />;
