/** The sign of Portcullis, a gate let half down, as an SVG of 64 by 64 units without script or style. */
export const mark = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" width="64" height="64">
  <rect width="64" height="64" rx="14" fill="#17594f"/>
  <path d="M12 54V29a20 20 0 0 1 40 0v25" fill="none" stroke="#ffffff" stroke-width="4" stroke-linecap="round"/>
  <g fill="none" stroke="#bfe6dd" stroke-width="3.5">
    <path d="M22 14.5V44M32 11V44M42 14.5V44"/>
    <path d="M13.5 25H50.5M13.5 36H50.5"/>
  </g>
  <path d="M19.5 43h5L22 51zM29.5 43h5L32 51zM39.5 43h5L42 51z" fill="#bfe6dd"/>
</svg>
`;
